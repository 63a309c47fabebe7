"""Which settings a run may go on with, and which stage its samples are drawn for."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from wildsr.config import compose_config
from wildsr.training.resuming import read_start, refuse_other_settings
from wildsr.training.sources import build_samples

V01 = Path(__file__).parents[1] / "golden" / "v01" / "run"  # of before stages had numbers


def of_v01(stage, number=None):
    """The configuration of a stage of 0.1, as it would be composed now."""
    cfg = OmegaConf.load(V01 / stage / "config.yaml")
    given = {"psnr": 0, "gan": 1}[stage] if number is None else number
    return OmegaConf.merge(cfg, {"stage": {"number": given}})


def test_a_stage_of_v01_goes_on_with_its_own_samples_and_no_others():
    refuse_other_settings(of_v01("psnr"), V01 / "psnr", read_start(V01 / "psnr" / "last.ckpt"))
    start = read_start(V01 / "gan" / "last.ckpt")
    with pytest.raises(ValueError, match=r"was trained with stage\.number=0, now 1; wanted the same settings"):
        refuse_other_settings(of_v01("gan"), V01 / "gan", start)
    refuse_other_settings(of_v01("gan", number=0), V01 / "gan", start)


def test_the_samples_of_a_run_are_those_of_its_stage(photographs):
    words = ["data=folder", f"data.train.root={photographs}", "data.val=null", "data.crop=64", "data.patch=32"]
    psnr, gan, third = (
        [build_samples(compose_config([*words, *more]))[n][1] for n in range(8)]
        for more in (["stage=psnr"], ["stage=gan"], ["stage=gan", "stage.number=2"])
    )
    seeds = {sample.recipe.seed for sample in (*psnr, *gan, *third)}
    assert len(seeds) == 24  # no noise twice
    full = build_samples(compose_config([*words, "stage=full"]))
    assert [full[n][1] for n in range(8)] == psnr


def test_a_number_that_is_none_is_refused(photographs):
    words = ["data=folder", f"data.train.root={photographs}", "data.val=null", "stage=psnr", "stage.number=-1"]
    with pytest.raises(ValueError, match=r"stage\.number: given -1, wanted a whole number from 0"):
        build_samples(compose_config(words))
