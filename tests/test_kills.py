"""A run that is really killed, again and again, ends as one that was left alone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
RUN = [
    "experiment=quickstart", "generator=tiny", "generator.weights=null", "discriminator.network.features=4",
    "data.crop=64", "data.patch=32", "data.batch_size=2", "data.val=null", "compare=false",
    "stage.iterations=60", "stage.iterations_per_epoch=25", "stage.checkpoint_every=4", "trainer.deterministic=true",
]  # fmt: skip
MOST = 40  # kills; each start makes four iterations at least, so that it comes to an end


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(ROOT / "train.py"), *RUN]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run(folder: Path) -> Path:
    return folder / "runs" / "quickstart"


def progress(folder: Path) -> list[str]:
    """What there is of a run, by name: it changes with each checkpoint and each stage."""
    return sorted(str(path) for path in run(folder).rglob("*.ckpt")) if run(folder).is_dir() else []


def end(folder: Path, stage: str) -> dict:
    return torch.load(run(folder) / stage / "checkpoints" / "last.ckpt", weights_only=True)


def equal(one, other) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_bit_for_bit_as_one_left_alone(tmp_path):
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    for folder in (alone, killed):
        folder.mkdir()
    assert start(alone).wait(timeout=300) == 0
    rng = random.Random(0)
    kills = {"psnr": 0, "gan": 0}
    for _ in range(MOST):
        process, before = start(killed), progress(killed)
        while progress(killed) == before and process.poll() is None:
            time.sleep(0.01)  # setting up, which is most of such a short run, is not what is tested here
        time.sleep(rng.uniform(0, 0.3))
        process.send_signal(rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        if process.wait(timeout=120) == 0:
            break
        kills["gan" if (run(killed) / "gan" / "checkpoints" / "last.ckpt").is_file() else "psnr"] += 1
    assert min(kills.values()) > 0, kills
    assert start(killed).wait(timeout=300) == 0
    assert not list(run(killed).rglob("*.part"))
    for stage in ("psnr", "gan"):
        one, other = end(alone, stage), end(killed, stage)
        assert one["iteration"] == other["iteration"] == 60
        assert equal(one["state_dict"], other["state_dict"])  # generator, discriminator, average
        assert equal(one["optimizer_states"], other["optimizer_states"])


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_a_run_and_its_workers_loses_nothing(tmp_path, number):
    words = [
        "stage=psnr",
        "stage.iterations=100000",
        "stage.checkpoint_every=100000",
        "data.workers=1",
        "data.crop=400",
    ]
    command = [sys.executable, str(ROOT / "train.py"), *RUN, *words]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(command, cwd=tmp_path, stderr=said, start_new_session=True)
        while "/100000" not in (tmp_path / "said").read_text() and process.poll() is None:
            time.sleep(0.05)  # the first line of progress comes after ten seconds
        os.killpg(process.pid, number)  # as a terminal and as a cluster do
        assert process.wait(timeout=120) == 1
    last = (tmp_path / "said").read_text().splitlines()[-1]
    assert last.startswith("psnr stage stopped after iteration")
    assert f"after iteration {end(tmp_path, 'psnr')['iteration']} " in last
