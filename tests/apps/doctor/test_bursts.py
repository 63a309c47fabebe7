"""A burst trains really, elsewhere: its figures are those of a run, and what it cannot do is told."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from wildsr.apps.doctor import bursts, measuring
from wildsr.apps.doctor.bursts import run, shorten_config, write_random_weights
from wildsr.losses import PerceptualLoss
from wildsr.training import DivergenceMonitor


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """A burst in this process, which keeps its memory."""
    monkeypatch.setattr(measuring, "limit_memory", lambda: None)
    monkeypatch.chdir(tmp_path)

    def measure(cfg, absent=()):
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        file = scratch / f"{cfg.stage.name}.yaml"
        file.write_text(OmegaConf.to_yaml(shorten_config(cfg, scratch, absent, seconds=0.05)))
        measuring.main(str(file))
        return json.loads(file.with_suffix(".json").read_text())

    return measure


def test_a_burst_counts_iterations_pairs_and_memory_and_leaves_the_run_alone(cfg, measured, tmp_path):
    found = measured(cfg("data.workers=0", "logger=tensorboard", "validate_first=true"))
    assert found["iterations"] >= 1 and found["seconds"] >= 0.05
    assert 0 < found["waited"] < found["seconds"]
    assert (found["workers"], found["threads"]) == (0, 1)
    assert found["validation"] > 0
    assert 10**8 < found["peak"] < 10**11 and found["free"] > 10**8
    assert not (tmp_path / "runs").exists()
    assert {path.name for path in (tmp_path / "scratch").iterdir()} == {"psnr.yaml", "psnr.json"}


def test_an_error_of_the_first_iterations_is_told_in_one_line(cfg, measured, monkeypatch):
    def fail(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes\nmore")

    monkeypatch.setattr(DivergenceMonitor, "on_train_batch_end", fail)
    found = measured(cfg("data.workers=0"))
    assert found["error"].endswith("you tried to allocate 8 bytes") and found["out_of_memory"]


def test_a_burst_logs_nothing_saves_nothing_and_starts_from_no_weights(cfg, tmp_path):
    own = shorten_config(cfg("logger=wandb", "generator.weights=none.pth", "validate_first=true"), tmp_path, set(), 1.0)
    assert list(own.callbacks) == ["divergence", "meter"] and not own.logger
    assert own.generator.weights is None and not own.validate_first
    assert own.callbacks.divergence.folder.startswith(str(tmp_path))


def test_the_share_of_other_machines_is_left_out(cfg, tmp_path):
    own = shorten_config(cfg("trainer=ddp", "trainer.num_nodes=2", "data.batch_size=8"), tmp_path, set(), 1.0)
    assert own.data.batch_size == 4 and "num_nodes" not in own.trainer


def test_a_burst_that_takes_too_long_is_late(cfg, tmp_path, monkeypatch):
    monkeypatch.setattr(bursts, "PATIENCE", 0.01)
    found = bursts.run_burst(cfg(), tmp_path, set())
    assert found == {"error": "not measured within 0 minutes", "late": True}


def test_random_weights_stand_in_for_those_that_are_not_here(tmp_path):
    state = torch.load(write_random_weights("fcn_resnet50", tmp_path), weights_only=True)
    assert state["backbone.conv1.weight"].shape == (64, 3, 7, 7)
    PerceptualLoss(backbone="fcn_resnet50", file=tmp_path / "fcn_resnet50.pth")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os.kill(os.getpid(), 9)", "the process was killed (SIGKILL), as where memory runs out"),
        ("import sys; sys.exit('late\\nlast words')", "last words"),
        ("import os; os._exit(3)", "it ended with exit code 3"),
    ],
)
def test_a_process_that_leaves_no_answer_says_why(code, words):
    assert run([sys.executable, "-c", code]) == words


def runs(process: Path) -> bool:
    try:
        return process.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_burst_without_end_is_ended_with_all_that_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr(bursts, "PATIENCE", 1.0)
    shell = f"sleep 60 & echo $! > '{tmp_path / 'child'}'; sleep 60"
    with pytest.raises(subprocess.TimeoutExpired):
        run(["sh", "-c", shell])
    child = Path("/proc", (tmp_path / "child").read_text().strip(), "stat")
    deadline = time.monotonic() + 10
    while runs(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not runs(child)


def test_a_burst_ends_with_the_doctor_that_is_killed(tmp_path):
    """By SIGTERM, as by a cluster: its process ends, its scratch folder goes, and it is said.

    The child waits a second before it tells its number: the doctor has its process in hand by then.
    """
    code = (
        "import sys, tempfile\nfrom pathlib import Path\nfrom types import SimpleNamespace\nfrom wildsr import cli\n"
        "from wildsr.apps.doctor.bursts import run\n"
        "def run_burst(words):\n"
        " with tempfile.TemporaryDirectory(dir='.', prefix='scratch'):\n"
        "  return run(['sh', '-c', 'sleep 1; echo $$ > child; sleep 60'])\n"
        "cli.importlib = SimpleNamespace(import_module=lambda name: SimpleNamespace(parse=list, main=run_burst))\n"
        "sys.exit(cli.main(['doctor']))"
    )
    doctor = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    number = tmp_path / "child"
    deadline = time.monotonic() + 60
    while not (number.is_file() and number.read_text().endswith("\n")) and time.monotonic() < deadline:
        time.sleep(0.01)
    doctor.terminate()
    _, said = doctor.communicate(timeout=30)
    assert (doctor.returncode, said) == (1, "stopped\n")
    assert not runs(Path("/proc", number.read_text().strip(), "stat"))
    assert [path.name for path in tmp_path.iterdir()] == ["child"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="limits memory on Linux only")
def test_memory_that_is_not_there_is_refused_instead_of_taken():
    code = (
        "import torch\nfrom wildsr.apps.doctor import measuring\nmeasuring.free_memory = lambda device: 10**8\n"
        "measuring.limit_memory()\ntry:\n torch.zeros(10**8)\n"
        "except RuntimeError as error:\n print(measuring.is_out_of_memory(error))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"
