"""A loss that is no number or runs away stops a fit with its samples; a lost adversarial game is said once."""

import json
import logging
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from wildsr.degradation import Recipe
from wildsr.losses import AdversarialLoss, LeastSquaresLoss
from wildsr.training import DivergenceMonitor, GracefulStop
from wildsr.training.divergence import NotFiniteError, RunawayError
from wildsr.training.pairs import PairMaker


def saved(folder):
    """One checkpoint an iteration, by its number."""
    return ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_the_sample_behind_a_loss_that_is_no_number_is_saved_and_nothing_after_it(
    data, psnr, trainer, tmp_path, monkeypatch
):
    make = PairMaker.forward

    def spoilt(self, batch):
        pair = make(self, batch)
        for place, sample in enumerate(batch.params):
            if sample.number == 5:  # of iteration 3
                pair.target_pixel[place, 0, 0, 0] = torch.nan
        return pair

    monkeypatch.setattr(PairMaker, "forward", spoilt)
    fit = trainer(4, saved(tmp_path / "kept"), DivergenceMonitor(tmp_path / "bad"), enable_checkpointing=True)
    with pytest.raises(NotFiniteError, match=r"iteration 3; its samples .5. are in .*bad") as caught:
        fit.fit(psnr(), data())
    assert "\n" not in str(caught.value)
    place = tmp_path / "bad" / "iteration_0000003"
    assert names(place) == ["5_hq.png", "5_lq.png", "samples.jsonl"]
    (sample,) = map(json.loads, (place / "samples.jsonl").read_text().splitlines())
    assert sample["number"] == 5
    assert Recipe.from_dict(sample["recipe"]).scale == 4
    assert names(tmp_path / "kept") == ["step=1.ckpt", "step=2.ckpt"]


def test_a_whole_batch_is_saved_where_no_sample_stands_out(data, psnr, trainer, tmp_path, monkeypatch):
    module = psnr()
    losses_of = module.generator_losses

    def infinite(*given):
        terms = losses_of(*given)
        return terms | {"pixel": terms["pixel"] + torch.inf} if module.iteration == 1 else terms

    monkeypatch.setattr(module, "generator_losses", infinite)
    with pytest.raises(NotFiniteError, match=r"iteration 2; its samples .2, 3. are in"):
        trainer(4, DivergenceMonitor(tmp_path)).fit(module, data())


class Poison(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * torch.nan


@pytest.mark.parametrize("is_first", [True, False])
def test_a_gradient_that_is_no_number_stops_a_fit_before_anyone_saves_it(
    data, psnr, trainer, tmp_path, monkeypatch, is_first
):
    module = psnr()
    losses_of = module.generator_losses

    def poisoned(sr, pair):
        return losses_of(Poison.apply(sr) if module.iteration == 2 else sr, pair)

    monkeypatch.setattr(module, "generator_losses", poisoned)
    stop, monitor = GracefulStop(tmp_path / "stop"), DivergenceMonitor(tmp_path / "bad")
    monkeypatch.setattr(
        stop, "on_train_batch_start", lambda *_: setattr(stop, "limit", -1.0) if module.iteration == 2 else None
    )
    callbacks = [monitor, stop] if is_first else [stop, monitor]  # whoever comes first
    with pytest.raises(NotFiniteError, match=r"gradient is not finite in iteration 3"):
        trainer(4, *callbacks, saved(tmp_path / "kept"), enable_checkpointing=True).fit(module, data())
    assert names(tmp_path / "kept") == ["step=1.ckpt", "step=2.ckpt"]
    assert not (tmp_path / "stop").exists()


def test_a_loss_that_runs_away_leaves_the_last_good_checkpoint(data, psnr, trainer, tmp_path, monkeypatch):
    module = psnr()
    module.origin = {"stage": "psnr"}
    losses_of = module.generator_losses

    def growing(*given):
        terms = losses_of(*given)
        return terms | {"pixel": terms["pixel"] + 100.0 * (module.iteration >= 2)}

    monkeypatch.setattr(module, "generator_losses", growing)
    kept = ModelCheckpoint(tmp_path / "kept", "{step}", every_n_train_steps=1, save_last=True)
    words = (
        r"^PSNR stage, iteration 3: loss/pixel has run away: 100, above callbacks\.divergence\.limits\.pixel=10; try a "
        r"lower stages\.psnr\.lr \(now 0\.0001\) or stages\.psnr\.clip_gradients=1\.0 \(.*last\.ckpt is from before; "
        r"under another name=NAME"
    )
    with pytest.raises(RunawayError, match=words) as caught:
        trainer(4, kept, DivergenceMonitor(tmp_path), enable_checkpointing=True).fit(module, data())
    assert "\n" not in str(caught.value)
    assert torch.load(tmp_path / "kept" / "last.ckpt", weights_only=True)["iteration"] == 2


def after(monitor, iteration, draw=AdversarialLoss.draw, **losses):
    """One iteration passes with these losses."""
    strategy = SimpleNamespace(reduce=lambda tensor: tensor)
    optimizers = [SimpleNamespace(param_groups=[{"lr": 1e-4}])]
    trainer = SimpleNamespace(
        precision="32-true", is_global_zero=True, strategy=strategy, checkpoint_callback=None, optimizers=optimizers
    )
    module = SimpleNamespace(
        iteration=iteration,
        scalars={f"loss/{name}": torch.tensor(value) for name, value in losses.items()},
        sample_losses=torch.zeros(2),
        origin={"stage": "gan"},
        objective=SimpleNamespace(draw=draw),
        trainer=trainer,
    )
    monitor.on_train_batch_end(trainer, module)


def test_a_discriminator_that_wins_outright_is_said_once(tmp_path, caplog):
    monitor = DivergenceMonitor(tmp_path, every=1)
    for iteration in range(1, 5):
        after(monitor, iteration, pixel=0.1, discriminator=0.05)
    assert not caplog.records  # four readings in a row are not five
    for iteration in range(5, 9):
        after(monitor, iteration, pixel=0.1, discriminator=0.05)
    assert caplog.text.count("GAN stage, iteration 5: the discriminator wins outright") == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_what_wins_outright_is_measured_against_the_draw_of_the_loss(tmp_path, caplog):
    quiet, loud = (DivergenceMonitor(tmp_path, every=1) for _ in range(2))
    for iteration in range(1, 7):  # least squares: 0.25 is a draw, so that 0.05 is a fifth of it
        after(quiet, iteration, LeastSquaresLoss.draw, pixel=0.1, discriminator=0.05)
    assert not caplog.records
    for iteration in range(1, 7):
        after(loud, iteration, LeastSquaresLoss.draw, pixel=0.1, discriminator=0.01)
    assert "its loss is below 0.018 (0.25 is a draw)" in caplog.text


def test_a_healthy_game_is_quiet(tmp_path, caplog):
    monitor = DivergenceMonitor(tmp_path, every=1)
    for iteration in range(1, 20):
        after(monitor, iteration, pixel=0.1 + iteration % 3 * 0.05, discriminator=1.0 if iteration % 5 else 0.05)
    assert not caplog.records


def test_a_generator_that_leaves_the_photographs_is_said(tmp_path, caplog):
    monitor = DivergenceMonitor(tmp_path, every=1)
    for iteration in range(1, 20):
        after(monitor, iteration, pixel=0.1 if iteration < 10 else 0.5, discriminator=1.0)
    assert "the generator collapses: its pixel loss is 3." in caplog.text


def test_a_run_that_collapsed_before_it_was_interrupted_is_said_after_it(tmp_path, caplog):
    before, after_it = DivergenceMonitor(tmp_path, every=1), DivergenceMonitor(tmp_path, every=1)
    for iteration in range(1, 10):
        after(before, iteration, pixel=0.1, discriminator=1.0)
    after_it.load_state_dict(before.state_dict())
    for iteration in range(10, 16):
        after(after_it, iteration, pixel=0.5, discriminator=1.0)
    assert "the generator collapses: its pixel loss is 5.0 times its best" in caplog.text


def test_the_limit_of_a_loss_that_runs_away_can_be_set(tmp_path):
    after(DivergenceMonitor(tmp_path, every=1), 1, pixel=9.9, discriminator=999.0)
    after(DivergenceMonitor(tmp_path, every=1, limits={"pixel": None}), 1, pixel=1e6, discriminator=1.0)
    for limits, losses in (
        ({}, {"pixel": 10.1}),
        ({}, {"pixel": 0.1, "discriminator": 1001.0}),
        ({"pixel": 0.5}, {"pixel": 0.6}),
        ({"mine": 2.0}, {"mine": 2.1}),
    ):
        with pytest.raises(RunawayError, match=r"iteration 7: loss/(pixel|discriminator|mine) has run away"):
            after(DivergenceMonitor(tmp_path, every=7, limits=limits), 7, **losses)
    with pytest.raises(ValueError, match=r"^callbacks\.divergence\.limits\.pixel: given 0, wanted a number"):
        DivergenceMonitor(tmp_path, limits={"pixel": 0})


def test_a_limit_of_a_loss_that_there_is_not_is_refused_before_the_first_iteration(data, psnr, trainer, tmp_path):
    module = psnr()
    with pytest.raises(ValueError, match=r"limits\.pixle: no such loss; choose from pixel, "):
        trainer(1, DivergenceMonitor(tmp_path, limits={"pixle": 1.0})).fit(module, data())
    assert module.iteration == 0
