"""Several processes train as one: the same pairs, gradients, weights, metrics and files."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from wildsr.data import sample_photographs
from wildsr.images import write_image

ROOT = Path(__file__).parents[1]
RUN = [
    "experiment=quickstart", "generator=tiny", "generator.weights=null", "discriminator.network.features=4",
    "data.crop=64", "data.patch=32", "data.batch_size=8", "data.val_recipes=1", "stages.psnr.iterations=3",
    "stages.gan.iterations=3",
    "stages.psnr.checkpoint_every=1", "stages.gan.checkpoint_every=1", "stages.psnr.iterations_per_epoch=3",
    "stages.gan.iterations_per_epoch=3", "data.workers=0",
]  # fmt: skip
TWO = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
TORCHRUN = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29511"]


def command(*words: str, launcher: tuple[str, ...] = ()) -> list[str]:
    return [sys.executable, *launcher, str(ROOT / "train.py"), *RUN, *words]


def finish(folder: Path, *words: str, launcher: tuple[str, ...] = ()) -> str:
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command(*words, launcher=launcher), cwd=folder, capture_output=True, text=True, timeout=300, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def state(folder: Path, stage: str, file: str = "last.ckpt") -> dict:
    return torch.load(folder / "runs" / "quickstart" / stage / "checkpoints" / file, weights_only=True)


@pytest.fixture(scope="module")
def lone(tmp_path_factory):
    """A validation set of one image: fewer than there are processes."""
    folder = tmp_path_factory.mktemp("lone")
    write_image(sample_photographs(["astronaut.png"])[0][:, :200, :220], folder / "a.png")
    return f"+data.sets.lone={{hq: '{folder}'}}"


@pytest.fixture(scope="module")
def one(tmp_path_factory, lone):
    folder = tmp_path_factory.mktemp("one")
    finish(folder, lone)
    return folder


@pytest.fixture(scope="module")
def two(tmp_path_factory, lone):
    folder = tmp_path_factory.mktemp("two")
    return folder, finish(folder, lone, *TWO)


def gradients(folder: Path, stage: str) -> list[list[torch.Tensor]]:
    """Those of each network in the first iteration: Adam's first moment starts as a tenth of them."""
    optimizers = state(folder, stage, "iteration_0000001.ckpt")["optimizer_states"]
    return [[slot["exp_avg"] * 10 for slot in optimizer["state"].values()] for optimizer in optimizers]


@pytest.mark.slow
def test_two_processes_give_the_gradients_of_one_with_twice_the_batch(one, two):
    # Sums in another order. What a fresh discriminator says of real and of generated images all but cancels, which
    # leaves it fewer digits; tests/training/test_plain_lightning.py claims the same of it to 1e-10, in float64.
    for stage, bounds in (("psnr", [1e-4]), ("gan", [1e-4, 1e-3])):
        networks = list(zip(gradients(one, stage), gradients(two[0], stage), strict=True))
        for (alone, shared), bound in zip(networks, bounds, strict=True):
            assert len(alone) > 5
            largest = max(tensor.abs().max().item() for tensor in alone)
            differences = [(a - b).abs().max().item() for a, b in zip(alone, shared, strict=True)]
            assert max(differences) < bound * largest


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one(one, two):
    for stage in ("psnr", "gan"):
        alone, shared = state(one, stage), state(two[0], stage)
        assert alone["iteration"] == shared["iteration"] == 3
        for name, tensor in alone["state_dict"].items():
            assert torch.allclose(tensor, shared["state_dict"][name], rtol=1e-4, atol=1e-5), name


def validated(folder: Path, stage: str) -> dict[str, float]:
    """What validation wrote into the curves."""
    with (folder / "runs" / "quickstart" / stage / "csv" / "version_0" / "metrics.csv").open() as file:
        rows = [{k: float(v) for k, v in row.items() if k.startswith("val/") and v} for row in csv.DictReader(file)]
    (row,) = filter(None, rows)
    return row


@pytest.mark.slow
def test_validation_is_shared_and_its_figures_are_those_of_one_process(one, two):
    for stage in ("psnr", "gan"):
        alone, shared = validated(one, stage), validated(two[0], stage)
        assert {"val/psnr_y", "val/niqe", "val/hard/psnr_y", "val/lone/psnr_y", "val/lone/niqe"} <= set(alone)
        assert shared == pytest.approx(alone, rel=1e-4)


@pytest.mark.slow
def test_a_process_without_an_image_of_its_own_validates_with_the_others(tmp_path):
    words = ["stage=psnr", "data.val.names=[astronaut.png]", "data.sets.hard=null", "compare=false"]
    for name, more in (("one", []), ("two", TWO)):
        finish(tmp_path / name, *words, *more)
    alone, shared = (validated(tmp_path / name, "psnr") for name in ("one", "two"))
    assert shared == pytest.approx(alone, rel=1e-4)


@pytest.mark.slow
def test_two_processes_validate_and_speak_as_one(one, two):
    folder, said = two
    assert said.count("PSNR stage starts from") == said.count("GAN stage starts from") == 1
    scores = [json.loads((run / "runs" / "quickstart" / "scores.json").read_text()) for run in (one, folder)]
    for method, row in scores[0].items():
        assert scores[1][method] == pytest.approx(row, rel=1e-4)
    assert not list(folder.rglob("*.part"))


@pytest.mark.slow
def test_the_progress_line_of_two_processes_shows_the_mean_that_the_curves_have(tmp_path):
    words = [*TWO, "stage=psnr", "data.val=null", "compare=false", "trainer.log_every_n_steps=3"]
    done = subprocess.run(
        command(*words), cwd=tmp_path, capture_output=True, text=True, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (tmp_path / "runs" / "quickstart" / "psnr" / "csv" / "version_0" / "metrics.csv").open() as file:
        (point,) = [float(row["loss/pixel"]) for row in csv.DictReader(file) if row["loss/pixel"]]
    assert f"PSNR stage  3/3  loss/pixel {point:.3g}  " in done.stderr


@pytest.mark.slow
def test_torchrun_is_the_same(two, lone, tmp_path):
    finish(tmp_path, lone, *TWO, launcher=tuple(TORCHRUN))
    for stage in ("psnr", "gan"):
        first, second = state(two[0], stage), state(tmp_path, stage)
        assert all(torch.equal(tensor, second["state_dict"][name]) for name, tensor in first["state_dict"].items())


@pytest.mark.slow
def test_a_signal_stops_both_processes_after_the_same_iteration_and_they_go_on(two, tmp_path):
    long = [
        *TWO,
        "data.val=null",
        "compare=false",
        "stage=psnr",
        "stages.psnr.checkpoint_every=1000",
        "stages.gan.checkpoint_every=1000",
    ]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            command(*long, "stages.psnr.iterations=100000", "stages.gan.iterations=100000"),
            cwd=tmp_path,
            stderr=said,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        while "/100000" not in (tmp_path / "said").read_text() and process.poll() is None:
            time.sleep(0.05)  # the first line of progress comes after ten seconds
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) != 0
    assert "PSNR stage stopped after iteration" in (tmp_path / "said").read_text()
    stopped = state(tmp_path, "psnr")["iteration"]
    assert stopped > 0
    assert stopped % 10 == 0
    said = finish(tmp_path, *long, f"stages.psnr.iterations={stopped + 5}", f"stages.gan.iterations={stopped + 5}")
    assert f"goes on after iteration {stopped} of {stopped + 5}" in said
