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
from PIL import Image

ROOT = Path(__file__).parents[1]
RUN = [
    "experiment=quickstart", "generator=tiny", "generator.weights=null", "discriminator.network.features=4",
    "data.crop=64", "data.patch=32", "data.batch_size=2", "data.val=null", "compare=false",
    "stages.psnr.iterations=150", "stages.gan.iterations=150", "stages.psnr.iterations_per_epoch=60",
    "stages.gan.iterations_per_epoch=60", "stages.psnr.checkpoint_every=4", "stages.gan.checkpoint_every=4",
    "trainer.deterministic=true",
]  # fmt: skip
KILLS = {  # what a run writes, and the signals that it gets within 0.3 s after writing the next such file
    "psnr/checkpoints/*.ckpt": [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT],
    "psnr/generator.safetensors": [signal.SIGKILL],  # handed to the gan stage
    "gan/checkpoints/*.ckpt": [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT],
}


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(ROOT / "train.py"), *RUN]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run(folder: Path) -> Path:
    return folder / "runs" / "quickstart"


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
    for pattern, signals in KILLS.items():
        for number in signals:
            before = set(run(killed).glob(pattern))
            process = start(killed)
            while set(run(killed).glob(pattern)) == before and process.poll() is None:
                time.sleep(0.01)  # setting up, which is most of such a short run, is not what is tested here
            time.sleep(rng.uniform(0, 0.3))
            process.send_signal(number)
            assert process.wait(timeout=120) != 0, f"over before signal {number} after {pattern}"
    assert start(killed).wait(timeout=300) == 0
    assert not list(run(killed).rglob("*.part"))
    for stage in "psnr", "gan":
        one, other = end(alone, stage), end(killed, stage)
        assert one["iteration"] == other["iteration"] == 150
        assert equal(one["state_dict"], other["state_dict"])  # generator, discriminator, average
        assert equal(one["optimizer_states"], other["optimizer_states"])


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_a_run_and_its_workers_loses_nothing(tmp_path, number):
    words = [
        "stage=psnr",
        "stages.psnr.iterations=100000",
        "stages.gan.iterations=100000",
        "stages.psnr.checkpoint_every=100000",
        "stages.gan.checkpoint_every=100000",
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
    assert last.startswith("PSNR stage stopped after iteration")
    assert f"after iteration {end(tmp_path, 'psnr')['iteration']} " in last
    assert last.endswith("; the same command goes on")


@pytest.mark.slow
def test_an_error_ends_a_run_that_has_workers(tmp_path):
    (tmp_path / "images").mkdir()
    Image.effect_noise((128, 128), 50).convert("RGB").save(tmp_path / "images" / "a.png")
    whole = (tmp_path / "images" / "a.png").read_bytes()
    (tmp_path / "images" / "b.png").write_bytes(whole[: len(whole) // 2])
    words = ["stage=psnr", "data=folder", f"data.train.root={tmp_path}/images", "data.workers=2"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *RUN, *words], cwd=tmp_path, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 1
    assert "1 of 2 images not readable" in done.stderr.splitlines()[-1]
