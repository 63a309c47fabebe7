"""Runs from the command line's overrides to the finished files, small enough for one thread."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torchvision.models import vgg

from wildsr.config import groups
from wildsr.run import train
from wildsr.training.checkpoints import Checkpoints
from wildsr.training.fitting import Interrupted

TINY = [
    "generator=tiny",
    "discriminator.network.features=4",
    "loss=no_perceptual",
    "data.crop=64",
    "data.patch=32",
    "data.batch_size=2",
    "data.val_recipes=1",
]
SHORT = ["stage.iterations=4", "stage.iterations_per_epoch=2", "stage.checkpoint_every=1"]


@pytest.fixture
def folders(photographs):
    return ["data=folder", f"data.train.root={photographs}", f"data.val.root={photographs}"]


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory):
    """VGG19's convolutions with seeded random weights, under torchvision's names."""
    torch.manual_seed(0)
    layers: nn.Sequential = vgg.make_layers(vgg.cfgs["E"], batch_norm=False)
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save({f"features.{name}": tensor for name, tensor in layers.state_dict().items()}, path)
    return path


def checkpoint(folder: Path):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def same(one, other) -> bool:
    """Equality through nested dicts and lists, tensors bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return one == other


def test_a_run_leaves_what_it_promises(folders, tmp_path, capsys):
    scores = train([*folders, *TINY, *SHORT, "name=first"], tmp_path / "run")
    for stage in ("psnr", "gan"):
        folder = tmp_path / "run" / stage
        names = {path.name for path in (folder / "checkpoints").iterdir()}
        assert names == {"last.ckpt", "best.ckpt", *(f"iteration_000000{n}.ckpt" for n in (2, 3, 4))}
        assert (folder / "panels" / "iteration_0000004.png").is_file()
        assert "val/psnr_y" in (folder / "csv" / "version_0" / "metrics.csv").read_text()
        assert checkpoint(folder)["iteration"] == 4
    assert (tmp_path / "run" / "comparison.png").is_file()
    assert list(scores) == ["bicubic", "psnr stage", "gan stage"]
    assert json.loads((tmp_path / "run" / "scores.json").read_text()) == scores
    assert "without the perceptual loss" in capsys.readouterr().out


def test_the_gan_stage_starts_from_the_average_of_the_psnr_stage(folders, tmp_path):
    train([*folders, *TINY, *SHORT, "stage.lr=1e-30", "data.val=null"], tmp_path)
    psnr, gan = (load_file(tmp_path / stage / "generator.safetensors") for stage in ("psnr", "gan"))
    average = {n.removeprefix("ema.module."): t for n, t in checkpoint(tmp_path / "psnr")["state_dict"].items()}
    assert all(torch.equal(psnr[name], average[name]) for name in psnr)
    assert same(psnr, gan)


@pytest.mark.parametrize("stop", [1, 2, 3, 5, 6, 7])
def test_a_run_that_was_cut_off_ends_as_an_uninterrupted_one(folders, tmp_path, monkeypatch, stop):
    overrides = [*folders, *TINY, *SHORT, "data.val=null"]
    train(overrides, tmp_path / "whole")
    saves = 0
    save = Checkpoints._save

    def cut(self, trainer, iteration):
        nonlocal saves
        file = save(self, trainer, iteration)
        saves += 1
        if saves == stop:
            raise RuntimeError("power cut")
        return file

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "_save", cut)
        with pytest.raises(RuntimeError, match="power cut"):
            train(overrides, tmp_path / "cut")
    train(overrides, tmp_path / "cut")
    for stage in ("psnr", "gan"):
        whole, again = (checkpoint(tmp_path / run / stage) for run in ("whole", "cut"))
        assert whole["iteration"] == again["iteration"] == 4
        assert same(whole["state_dict"], again["state_dict"])
        assert same(whole["optimizer_states"], again["optimizer_states"])


def test_a_finished_run_says_so_and_trains_no_more(folders, tmp_path, capsys):
    overrides = [*folders, *TINY, *SHORT]
    scores = train(overrides, tmp_path)
    before = (tmp_path / "gan" / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    capsys.readouterr()
    assert train(overrides, tmp_path) == scores
    assert "psnr stage: finished, 4 iterations" in capsys.readouterr().out
    assert (tmp_path / "gan" / "checkpoints" / "last.ckpt").stat().st_mtime_ns == before


def test_resume_never_sets_the_earlier_run_aside(folders, tmp_path, capsys):
    overrides = [*folders, *TINY, *SHORT, "stage=psnr", "data.val=null"]
    train(overrides, tmp_path)
    train([*overrides, "resume=never"], tmp_path)
    assert (tmp_path / "psnr.1" / "generator.safetensors").is_file()
    assert "set aside" in capsys.readouterr().out


def test_ctrl_c_is_answered_by_how_to_go_on(folders, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, "on_train_batch_end", interrupt)
    with pytest.raises(Interrupted, match="psnr stage stopped in iteration"):
        train([*folders, *TINY, *SHORT], tmp_path)


def test_real_esrgan_plus_runs_through_both_stages(vgg_file, tmp_path):
    overrides = ["experiment=real_esrgan_plus", "data=photos", "logger=csv", f"loss.vgg_weights={vgg_file}"]
    small = ["stage.iterations=2", "data.batch_size=1", "data.crop=64", "data.patch=32", "data.val=null"]
    train([*overrides, *small], tmp_path)
    state = checkpoint(tmp_path / "gan")["state_dict"]
    assert not any("perceptual" in name for name in state)
    assert sum(t.numel() for n, t in state.items() if n.startswith("generator.")) == 16_697_987
    assert load_file(tmp_path / "gan" / "generator.safetensors")["body.22.rdb3.conv5.weight"].shape == (64, 192, 3, 3)


def test_real_esrgan_plus_without_its_data_names_the_command_that_brings_them(tmp_path):
    with pytest.raises(ValueError, match=r"no such folder; bring the data with: wildsr prepare df2k_ost"):
        train(["experiment=real_esrgan_plus", f"paths.data={tmp_path}/none"], tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("experiment", groups()["experiment"])
def test_every_experiment_runs_one_tiny_batch(experiment, folders, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    overrides = [f"experiment={experiment}", *folders, *TINY, "stage.iterations=1", "generator.weights=null"]
    train([*overrides, "data.val=null", "logger=csv"], tmp_path)
    assert list(tmp_path.glob("*/generator.safetensors"))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["stage=gan"], r"stage=gan starts from the psnr stage's generator, and .* is not there; wanted stage=psnr"),
        (["generator.weights=nowhere.pth"], r"nowhere\.pth"),
        (["generator.weights=realesrgan-x4plus"], "realesrgan-x4plus does not fit this CompactNet"),
        (["stage.lr=fast"], r"stage\.lr"),
        (["data.crop=63"], r"data\.crop=63"),
        (["data.batch_size=0"], r"data\.batch_size: given 0, wanted a whole number from 1"),
        (["data.batch_size=two"], r"data\.batch_size: given 'two'"),
        (["seed=-1"], r"seed: given -1"),
        (["degradation.first.jpeg.quality=[0,200]"], r"degradation\.first\.jpeg\.quality: given 0, wanted"),
        (["resume=nowhere.ckpt"], r"resume=nowhere\.ckpt: no such file"),
    ],
)
def test_bad_input_stops_before_anything_is_written(folders, tmp_path, overrides, words):
    with pytest.raises(ValueError, match=words) as caught:
        train([*folders, *TINY, *SHORT, *overrides], tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "psnr" / "checkpoints").exists()


def test_a_checkpoint_of_another_architecture_is_one_clear_line(folders, tmp_path):
    overrides = [*folders, *TINY, *SHORT, "stage=psnr", "data.val=null"]
    train([*overrides, "stage.iterations=2"], tmp_path)
    with pytest.raises(ValueError, match="does not fit") as caught:
        train([*overrides, "generator.network.features=6"], tmp_path)
    assert "\n" not in str(caught.value)


def test_a_damaged_checkpoint_is_named(folders, tmp_path):
    overrides = [*folders, *TINY, *SHORT, "stage=psnr", "data.val=null"]
    train([*overrides, "stage.iterations=2"], tmp_path)
    last = tmp_path / "psnr" / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"last\.ckpt: damaged, or no checkpoint of wildsr"):
        train(overrides, tmp_path)
