"""Which stage the samples of a run are drawn for, and which callbacks it has."""

import pytest

from wildsr.building import build_callbacks, build_data
from wildsr.config import compose_config, stage_config


def test_the_samples_of_a_run_are_those_of_its_stage(photographs):
    words = ["data=folder", f"data.train.root={photographs}", "data.val=null", "data.crop=64", "data.patch=32"]
    psnr, gan, third = (
        [build_data(stage_config(compose_config([*words, *more]), name)).samples[n][1] for n in range(8)]
        for name, more in (("psnr", []), ("gan", []), ("gan", ["stages.gan.number=2"]))
    )
    seeds = {sample.recipe.seed for sample in (*psnr, *gan, *third)}
    assert len(seeds) == 24  # no noise twice


def test_a_number_that_is_none_is_refused(photographs):
    words = ["data=folder", f"data.train.root={photographs}", "data.val=null", "stages.psnr.number=-1"]
    with pytest.raises(ValueError, match=r"stages\.psnr\.number: given -1, wanted a whole number from 0"):
        build_data(stage_config(compose_config(words), "psnr"))


def test_a_callback_that_is_null_is_left_out_without_validation_too() -> None:
    cfg = compose_config(["data.val=null", "callbacks.report=null", "stage=psnr"])
    names = {type(callback).__name__ for callback in build_callbacks(cfg)}
    assert "Report" not in names and "HardExamples" in names
