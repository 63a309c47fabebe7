"""Schedules by a word: their rates by formula, interrupted runs equal to whole ones, the rates that are logged."""

import csv
import math

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from wildsr.building import build_module
from wildsr.config import build, compose_config, stage_config
from wildsr.training import SuperResolution, warm_up

TINY = ["generator=tiny", "discriminator.network.features=4", "loss.perceptual.weight=0"]
WORDS = {
    "none": [],
    "cosine": ["schedule=cosine", "schedule.eta_min=0"],
    "warmup": ["schedule=warmup", "schedule.iterations=4", "schedule.start_factor=0.2"],
    "warmup_cosine": [
        "schedule=warmup_cosine", "schedule.iterations=2", "schedule.start_factor=0.5", "schedule.then.eta_min=0"
    ],
    "multistep": ["schedule=multistep", "schedule.milestones=[2,4]"],
}  # fmt: skip
RATES = {  # of six iterations, as shares of the stage's rate
    "none": [1.0] * 6,
    "cosine": [(1 + math.cos(math.pi * t / 6)) / 2 for t in range(6)],
    "warmup": [0.2, 0.4, 0.6, 0.8, 1.0, 1.0],
    "warmup_cosine": [0.5, 0.75, *((1 + math.cos(math.pi * t / 4)) / 2 for t in range(4))],
    "multistep": [1.0, 1.0, 0.5, 0.5, 0.25, 0.25],
}


def config(*words):
    return stage_config(compose_config([*TINY, "stages.gan.iterations=6", *words]), "gan")


@pytest.mark.parametrize("name", WORDS)
def test_the_rates_of_a_schedule_are_its_formula(name):
    cfg = config(*WORDS[name])
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=3e-4)
    schedule = None if cfg.schedule is None else build(cfg.schedule, "schedule")(optimizer)
    rates = []
    for _ in range(6):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if schedule is not None:
            schedule.step()
    assert rates == pytest.approx([3e-4 * share for share in RATES[name]], rel=1e-9)


@pytest.mark.parametrize(
    ("name", "optimizer"), [("cosine", "adam"), ("warmup", "adamw"), ("warmup_cosine", "adamw"), ("multistep", "adam")]
)
def test_an_interrupted_run_is_the_uninterrupted_one(name, optimizer, data, trainer, tmp_path):
    cfg = config(*WORDS[name], f"optimizer={optimizer}")

    def run(folder, *stops):
        """Train to each of the stops, each time in a new module from the checkpoint before."""
        path = None
        for stop in stops:
            torch.manual_seed(0)
            module: SuperResolution = build_module(cfg, None)
            keep = ModelCheckpoint(tmp_path / folder, "{step}", every_n_train_steps=1, save_top_k=-1)
            loggers = CSVLogger(tmp_path / folder, str(stop), "")
            fit = trainer(stop, keep, enable_checkpointing=True, logger=loggers, log_every_n_steps=1)
            fit.fit(module, data(), ckpt_path=path, weights_only=True)
            path = tmp_path / folder / f"step={stop}.ckpt"
        return torch.load(path, weights_only=True)

    whole, parts = run("whole", 6), run("parts", 3, 6)
    assert whole["iteration"] == parts["iteration"] == 6
    assert all(torch.equal(tensor, parts["state_dict"][key]) for key, tensor in whole["state_dict"].items())
    assert whole["lr_schedulers"] == parts["lr_schedulers"]
    for one, other in zip(whole["optimizer_states"], parts["optimizer_states"], strict=True):
        assert one["param_groups"] == other["param_groups"]
    for network in ("generator", "discriminator"):  # what the loggers got, of the iteration that had the rate
        shares = [float(row[f"lr/{network}"]) / 1e-4 for row in rows(tmp_path / "parts")]
        assert shares == pytest.approx(RATES[name], rel=1e-9)


def rows(folder):
    """Return the logged iterations of both parts of a run."""
    found = [row for stop in (3, 6) for row in csv.DictReader((folder / str(stop) / "metrics.csv").open())]
    return [row for row in found if row["lr/generator"]]


def test_without_a_discriminator_there_is_one_rate(psnr, data, trainer):
    fit = trainer(1, log_every_n_steps=1)
    fit.fit(psnr(), data())
    assert {name: float(value) for name, value in fit.progress_bar_metrics.items() if name.startswith("lr/")} == {
        "lr/generator": 1e-4
    }


def test_a_stage_that_ends_in_its_warm_up_is_no_error():
    cfg = config("schedule=warmup_cosine")  # 1000 iterations of 6
    assert cfg.schedule.then.T_max == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"iterations": 0}, r"^schedule\.iterations: given 0"),
        ({"start_factor": 0}, r"^schedule\.start_factor: given 0"),
    ],
)
def test_an_impossible_warm_up_is_refused(options, words):
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    with pytest.raises(ValueError, match=words):
        warm_up(optimizer, **{"iterations": 10} | options)
