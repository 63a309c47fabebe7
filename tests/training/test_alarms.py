"""A loss that is no number or runs away stops a run; a lost adversarial game is said once."""

import json
from types import SimpleNamespace

import pytest
import torch

from wildsr.degradation import Recipe
from wildsr.train import train
from wildsr.training import Alarms, SuperResolution, datamodule
from wildsr.training.alarms import NotFiniteError, RunawayError

TINY = [
    "generator=tiny", "discriminator.network.features=4", "loss=no_perceptual", "data.crop=64", "data.patch=32",
    "data.batch_size=2", "data.val=null", "stage.iterations=4", "stage.checkpoint_every=1", "compare=false",
]  # fmt: skip


def test_the_sample_behind_a_loss_that_is_no_number_is_saved_and_nothing_after_it(tmp_path, monkeypatch):
    pair_of = datamodule.training_pair

    def spoilt(batch, *rest):
        pair = pair_of(batch, *rest)
        for place, sample in enumerate(batch.drawn):
            if sample.number == 5:  # of iteration 3
                pair.target_pixel[place, 0, 0, 0] = torch.nan
        return pair

    monkeypatch.setattr(datamodule, "training_pair", spoilt)
    with pytest.raises(NotFiniteError, match=r"iteration 3; its samples .5. are in .*not_finite") as caught:
        train([*TINY, "stage=psnr", "sharpen=none"], tmp_path)
    assert "\n" not in str(caught.value)
    place = tmp_path / "psnr" / "not_finite" / "iteration_0000003"
    assert {file.name for file in place.iterdir()} == {"5_hq.png", "5_lq.png", "samples.jsonl"}
    (sample,) = map(json.loads, (place / "samples.jsonl").read_text().splitlines())
    assert sample["number"] == 5
    assert Recipe.from_dict(sample["recipe"]).scale == 4
    kept = sorted(file.name for file in (tmp_path / "psnr" / "checkpoints").glob("iteration_*"))
    assert kept == ["iteration_0000001.ckpt", "iteration_0000002.ckpt"]


def test_a_whole_batch_is_saved_where_no_sample_stands_out(tmp_path, monkeypatch):
    losses_of = SuperResolution.generator_losses

    def infinite(self, *arguments):
        terms = losses_of(self, *arguments)
        return terms | {"pixel": terms["pixel"] + torch.inf} if self.iteration == 1 else terms

    monkeypatch.setattr(SuperResolution, "generator_losses", infinite)
    with pytest.raises(NotFiniteError, match=r"iteration 2; its samples .2, 3. are in"):
        train([*TINY, "stage=psnr"], tmp_path)


def after(alarms, iteration, **scalars):
    """One iteration passes with these losses."""
    named = {f"loss/{name}": torch.tensor(value) for name, value in scalars.items()}
    module = SimpleNamespace(
        iteration=iteration,
        scalars=named,
        sample_losses=torch.zeros(2),
        stage=SimpleNamespace(name="gan", lr=1e-4),
        trainer=SimpleNamespace(
            precision="32-true",
            is_global_zero=True,
            strategy=SimpleNamespace(reduce=lambda tensor: tensor),
            checkpoint_callback=None,
        ),
    )
    alarms.on_train_batch_end(module.trainer, module)


def test_a_discriminator_that_wins_outright_is_said_once(tmp_path, capsys):
    alarms = Alarms(tmp_path, every=1)
    for iteration in range(1, 5):
        after(alarms, iteration, pixel=0.1, discriminator=0.05)
    assert not capsys.readouterr().err  # four readings in a row are not five
    for iteration in range(5, 9):
        after(alarms, iteration, pixel=0.1, discriminator=0.05)
    assert capsys.readouterr().err.count("gan stage, iteration 5: the discriminator wins outright") == 1


def test_a_healthy_game_is_quiet(tmp_path, capsys):
    alarms = Alarms(tmp_path, every=1)
    for iteration in range(1, 20):
        after(alarms, iteration, pixel=0.1 + iteration % 3 * 0.05, discriminator=1.0 if iteration % 5 else 0.05)
    assert not capsys.readouterr().err


def test_a_generator_that_leaves_the_photographs_is_said(tmp_path, capsys):
    alarms = Alarms(tmp_path, every=1)
    for iteration in range(1, 20):
        after(alarms, iteration, pixel=0.1 if iteration < 10 else 0.5, discriminator=1.0)
    assert "the generator collapses: its pixel loss is 3." in capsys.readouterr().err


def test_a_run_that_collapsed_before_it_was_interrupted_is_said_after_it(tmp_path, capsys):
    before, after_it = Alarms(tmp_path, every=1), Alarms(tmp_path, every=1)
    for iteration in range(1, 10):
        after(before, iteration, pixel=0.1, discriminator=1.0)
    after_it.load_state_dict(before.state_dict())
    for iteration in range(10, 16):
        after(after_it, iteration, pixel=0.5, discriminator=1.0)
    assert "the generator collapses: its pixel loss is 5.0 times its best" in capsys.readouterr().err


def test_a_gradient_that_is_no_number_stops_a_run_before_it_is_saved(tmp_path, monkeypatch):
    class Poison(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return grad * torch.nan

    losses_of = SuperResolution.generator_losses

    def poisoned(self, sr, pair):
        return losses_of(self, Poison.apply(sr) if self.iteration == 2 else sr, pair)

    monkeypatch.setattr(SuperResolution, "generator_losses", poisoned)
    with pytest.raises(NotFiniteError, match=r"gradient is not finite in iteration 3"):
        train([*TINY, "stage=psnr"], tmp_path)
    assert not (tmp_path / "psnr" / "checkpoints" / "iteration_0000003.ckpt").exists()


def test_a_loss_that_runs_away_stops_the_run_before_it_is_saved(tmp_path):
    words = [*TINY, "stage=psnr", "stage.iterations=40", "stage.checkpoint_every=20", "callbacks.alarms.every=100"]
    with pytest.raises(
        RunawayError, match=r"psnr stage, iteration 20: loss/pixel has run away: .*lower stage\.lr"
    ) as caught:
        train([*words, "stage.lr=1"], tmp_path)
    assert "\n" not in str(caught.value)
    assert "(no checkpoint yet)" in str(caught.value)
    assert not list((tmp_path / "psnr").rglob("*.ckpt"))
    assert not (tmp_path / "psnr" / "generator.safetensors").exists()
    # Nothing was trained, so the corrected command may go on in the same folder.
    train([*words, "stage.lr=1e-4", "stage.iterations=2"], tmp_path)
    assert (tmp_path / "psnr" / "generator.safetensors").is_file()


def test_a_loss_that_runs_away_leaves_the_last_good_checkpoint(tmp_path, monkeypatch):
    losses_of = SuperResolution.generator_losses

    def growing(self, *arguments):
        terms = losses_of(self, *arguments)
        return terms | {"pixel": terms["pixel"] + 100.0 * (self.iteration >= 2)}

    monkeypatch.setattr(SuperResolution, "generator_losses", growing)
    with pytest.raises(RunawayError, match=r"iteration 3: .*last\.ckpt is from before; under another name=NAME"):
        train([*TINY, "stage=psnr"], tmp_path)
    last = torch.load(tmp_path / "psnr" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["iteration"] == 2


def test_the_limit_of_a_loss_that_runs_away_can_be_set(tmp_path):
    after(Alarms(tmp_path, every=1), 1, pixel=9.9, discriminator=999.0)
    after(Alarms(tmp_path, every=1, limits={"pixel": None}), 1, pixel=1e6, discriminator=1.0)
    for limits, losses in (
        ({}, {"pixel": 10.1}),
        ({}, {"pixel": 0.1, "discriminator": 1001.0}),
        ({"pixel": 0.5}, {"pixel": 0.6}),
    ):
        with pytest.raises(RunawayError, match=r"iteration 7: loss/(pixel|discriminator) has run away"):
            after(Alarms(tmp_path, every=7, limits=limits), 7, **losses)
    for limits, wanted in (
        ({"pixle": 1.0}, "pixle: no such loss; wanted one of: pixel, "),
        ({"pixel": 0}, "wanted a number"),
    ):
        with pytest.raises(ValueError, match=wanted):
            Alarms(tmp_path, limits=limits)
