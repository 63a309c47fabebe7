"""Nothing of ours but module and data module: Lightning's own trainer and callbacks do the rest."""

import csv
import subprocess
import sys
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, RichProgressBar, Timer
from lightning.pytorch.loggers import CSVLogger
from torch import nn

from wildsr.data import Photographs, validation_set
from wildsr.degradation import Degradation, DegradationSpec, SharpenSpec
from wildsr.networks import CompactNet, UNetDiscriminator
from wildsr.training import DegradedPhotographs, SuperResolution, released_losses


class Seen(L.Callback):
    """Notes the numbers of the samples of each iteration; for the test alone."""

    def __init__(self):
        self.numbers = []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.numbers += trainer.datamodule.numbers(module.iteration + 1)


def make_module(**options):
    torch.manual_seed(0)
    return SuperResolution(
        CompactNet(scale=4, features=4, convs=2),
        UNetDiscriminator(features=4),
        released_losses(perceptual=0),
        **options,
    )


def make_data(photographs, val=None, **options):
    return DegradedPhotographs(
        train=Photographs(photographs),
        degradation=Degradation(DegradationSpec()),
        batch_size=2,
        val=val,
        sharpen=SharpenSpec(),
        crop=64,
        patch=32,
        iterations_per_epoch=3,
        **options,
    )


def make_trainer(folder, steps, callbacks=(), **options):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    return L.Trainer(max_steps=steps, default_root_dir=folder, callbacks=list(callbacks), **quiet | options)


def every(folder, steps):
    return ModelCheckpoint(folder, "{step}", every_n_train_steps=steps, save_top_k=-1, save_last=True)


def assert_same(one, other):
    """Bit for bit: networks, average, and what the optimizers remember."""
    for (name, tensor), twin in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(tensor, twin), name
    for optimizer, twin in zip(one.trainer.optimizers, other.trainer.optimizers, strict=True):
        for slot, twins in zip(optimizer.state.values(), twin.state.values(), strict=True):
            assert torch.equal(slot["exp_avg_sq"], twins["exp_avg_sq"])


@pytest.fixture
def whole(photographs, tmp_path):
    """Eight iterations, validated after each epoch of three, with a checkpoint of every iteration."""
    module = make_module()
    make_trainer(tmp_path, 8, [every(tmp_path / "whole", 1)]).fit(
        module, make_data(photographs, validation_set(4, hq=photographs))
    )
    return module


@pytest.mark.parametrize(("step", "workers"), [(2, 0), (3, 0), (4, 0), (4, 2), (5, 0)])
def test_a_fit_resumed_anywhere_is_the_uninterrupted_one_bit_for_bit(photographs, tmp_path, whole, step, workers):
    """After 3 iterations an epoch is at its end, and Lightning does not make up for its validation; else inside one."""
    module, seen, validated = make_module(), Seen(), []
    seen.on_validation_start = lambda *_: validated.append(module.iteration)
    make_trainer(tmp_path, 8, [seen], num_sanity_val_steps=0).fit(
        module,
        make_data(photographs, validation_set(4, hq=photographs), workers=workers),
        ckpt_path=tmp_path / "whole" / f"step={step}.ckpt",
        weights_only=True,
    )
    assert seen.numbers == list(range(2 * step, 16))
    assert whole.iteration == module.iteration == module.trainer.global_step == 8
    assert validated == [end for end in (3, 6) if end > step]
    assert_same(whole, module)


def test_n_steps_are_n_iterations_and_no_sample_comes_twice(photographs, tmp_path):
    module, data, read = make_module(), make_data(photographs), []
    take = type(data.samples).__getitem__

    class Noted(type(data.samples)):
        def __getitem__(self, number):
            read.append(number)
            return take(self, number)

    data.samples.__class__ = Noted
    trainer = make_trainer(tmp_path, 7)
    trainer.fit(module, data)  # two epochs of three iterations, and a third
    assert trainer.global_step == module.iteration == 7
    assert trainer.current_epoch == 3
    assert read == list(range(14))


def test_stock_callbacks_validation_and_loggers_do_their_work(photographs, tmp_path):
    sets = {"main": validation_set(4, hq=photographs), "found": validation_set(4, lq=photographs)}
    module, data = make_module(), make_data(photographs, sets)
    best = ModelCheckpoint(tmp_path / "best", "{step}", monitor="val/psnr_y", mode="max")
    last = every(tmp_path / "last", 2)
    timer, rates, bar = Timer(), LearningRateMonitor(), RichProgressBar()
    trainer = make_trainer(
        tmp_path,
        6,
        [best, last, timer, rates, bar],
        logger=CSVLogger(tmp_path, "csv", ""),
        log_every_n_steps=2,
        val_check_interval=2,
        check_val_every_n_epoch=None,
        enable_progress_bar=True,
    )
    trainer.fit(module, data)
    assert sorted(file.name for file in (tmp_path / "last").iterdir()) == [
        "last.ckpt", "step=2.ckpt", "step=4.ckpt", "step=6.ckpt"
    ]  # fmt: skip
    assert torch.load(last.last_model_path, weights_only=True)["iteration"] == 6
    assert float(best.best_model_score) == max(figures(tmp_path, "val/psnr_y"))
    assert timer.time_elapsed("train") > 0
    assert set(figures(tmp_path, "lr-Adam")) == {1e-4} == set(figures(tmp_path, "lr/generator"))
    shown = bar.get_metrics(trainer, module)
    assert {"loss/pixel", "loss/adversarial", "loss/discriminator"} <= set(shown)
    assert len(figures(tmp_path, "loss/pixel")) == 3
    for name in ("loss/pixel", "val/psnr_y"):
        assert figures(tmp_path, "step", name) == [2, 4, 6]
    assert len(figures(tmp_path, "val/niqe")) == len(figures(tmp_path, "val/found/niqe")) == 3
    assert not figures(tmp_path, "val/found/psnr_y")  # real photographs have nothing to be compared with


def figures(folder: Path, name: str, beside: str | None = None) -> list[float]:
    """The values in a column, of the rows that have one in another column, too."""
    with (folder / "csv" / "metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file) if row.get(beside or name)]


def test_a_checkpoint_loads_into_a_module_with_the_plain_values_it_was_made_with(photographs, tmp_path):
    module = make_module(ema_decay=0.5, clip_gradients=1.0, accumulate=2)
    make_trainer(tmp_path, 1, [every(tmp_path, 1)]).fit(module, make_data(photographs))
    networks = {"generator": CompactNet(scale=4, features=4, convs=2), "discriminator": UNetDiscriminator(features=4)}
    loaded = SuperResolution.load_from_checkpoint(
        tmp_path / "last.ckpt", **networks, losses=released_losses(perceptual=0), weights_only=True
    )
    assert loaded.iteration == 1
    assert loaded.hparams == {
        "ema_decay": 0.5, "clip_gradients": 1.0, "accumulate": 2, "checkpoint_activations": False, "compile": False,
        "channels_last": False,
    }  # fmt: skip
    assert all(torch.equal(t, loaded.state_dict()[name]) for name, t in module.state_dict().items())


def test_a_schedule_goes_on_after_a_resume(photographs, tmp_path):
    def halve(optimizer):
        return torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 3], gamma=0.5)

    module = make_module(schedule=halve)
    make_trainer(tmp_path, 2, [every(tmp_path, 2)]).fit(module, make_data(photographs))
    rates = [optimizer.param_groups[0]["lr"] for optimizer in module.trainer.optimizers]
    assert rates == [5e-5, 5e-5]
    module = make_module(schedule=halve)
    make_trainer(tmp_path, 3).fit(module, make_data(photographs), ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert [optimizer.param_groups[0]["lr"] for optimizer in module.trainer.optimizers] == [2.5e-5, 2.5e-5]


def test_a_network_a_loss_and_a_metric_of_anyones_are_trained_and_shown(photographs, tmp_path):
    from torchmetrics.image import StructuralSimilarityIndexMeasure

    class Plain(nn.Module):  # has neither scale nor channels
        def __init__(self):
            super().__init__()
            self.grow = nn.Sequential(nn.Conv2d(3, 48, 3, padding=1), nn.PixelShuffle(4))

        def forward(self, lq):
            return self.grow(lq)

    class Squared:  # no module
        weight = 2.0

        def __call__(self, sr, target):
            return (sr - target).square().mean()

    module = SuperResolution(
        Plain(), losses={"squared": Squared()}, metrics={"ssim": StructuralSimilarityIndexMeasure(data_range=1.0)}
    )
    trainer = make_trainer(tmp_path, 3)
    trainer.fit(module, make_data(photographs, validation_set(4, hq=photographs)))
    assert set(trainer.callback_metrics) >= {"loss/squared", "val/ssim"}


PROCESSES = """
import sys, torch, lightning as L
from lightning.pytorch.strategies import DDPStrategy
from wildsr.data import Photographs, validation_set
from wildsr.degradation import Degradation, DegradationSpec
from wildsr.networks import CompactNet, UNetDiscriminator
from wildsr.training import DegradedPhotographs, SuperResolution, released_losses

photographs, folder, devices = sys.argv[1], sys.argv[2], int(sys.argv[3])

class Exact(SuperResolution):  # so exact that nothing but rounding is let through
    def training_step(self, pair, batch_idx):
        super().training_step(type(pair)(*(tensor.double() for tensor in pair)), batch_idx)

    def validation_step(self, pair, batch_idx, dataloader_idx=0):
        return super().validation_step(pair._replace(lq=pair.lq.double()), batch_idx, dataloader_idx)

torch.manual_seed(0)
networks = CompactNet(scale=4, features=4, convs=2), UNetDiscriminator(features=4)
module = Exact(*networks, released_losses(perceptual=0), accumulate=2)
data = DegradedPhotographs(
    Photographs(photographs), Degradation(DegradationSpec()), 4, validation_set(4, hq=photographs), crop=64, patch=32,
    iterations_per_epoch=2,
)
strategy = DDPStrategy(find_unused_parameters=True, forward_sync_buffers=False) if devices > 1 else "auto"
quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
trainer = L.Trainer(max_steps=3, devices=devices, accelerator="cpu", strategy=strategy, precision="64-true",
                    log_every_n_steps=1, **quiet)
trainer.fit(module, data)
assert trainer.global_step == module.iteration == 3
metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
trainer.save_checkpoint(f"{folder}/{devices}.ckpt")
if trainer.is_global_zero:
    torch.save(metrics, f"{folder}/{devices}.pt")
"""


@pytest.mark.slow
def test_two_processes_learn_and_measure_what_one_does_with_their_batch(photographs, tmp_path):
    for devices in ("1", "2"):
        script = tmp_path / f"{devices}.py"  # a file, since Lightning starts the second process by its name
        script.write_text(PROCESSES)
        command = [sys.executable, str(script), str(photographs), str(tmp_path), devices]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=200)
        assert ended.returncode == 0, ended.stderr
    one, two = (torch.load(tmp_path / f"{devices}.ckpt", weights_only=True) for devices in "12")
    for name, tensor in one["state_dict"].items():
        assert torch.allclose(tensor, two["state_dict"][name], rtol=1e-10, atol=1e-12), name
    # Adam's first moment holds the gradients of the iterations.
    for alone, shared in zip(one["optimizer_states"], two["optimizer_states"], strict=True):
        for slot, twin in zip(alone["state"].values(), shared["state"].values(), strict=True):
            assert torch.allclose(slot["exp_avg"], twin["exp_avg"], rtol=1e-10, atol=1e-15)
    alone, shared = (torch.load(tmp_path / f"{devices}.pt", weights_only=True) for devices in "12")
    assert {"loss/pixel", "loss/discriminator", "val/psnr_y", "val/niqe"} <= alone.keys()
    for name, value in alone.items():  # also the means over processes that a logger is told
        if not name.startswith("discriminator/"):  # a mean of deviations is no deviation
            assert shared[name] == pytest.approx(value, rel=1e-5), name
