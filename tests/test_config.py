import itertools

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from wildsr.building import stage_of
from wildsr.config import (
    ConfigError,
    build,
    compose_config,
    conf_folder,
    exit_code,
    explain_call,
    groups,
    report_error,
    stage_config,
)
from wildsr.degradation import DegradationSpec
from wildsr.io import UserError


@pytest.mark.parametrize("group", [group for group in groups() if not group.startswith("hydra")])
def test_every_option_composes_to_what_no_other_option_of_its_group_does(group, request):
    if group == "search":
        request.getfixturevalue("optuna")
    composed = {option: compose_config([f"{group}={option}"]) for option in groups()[group]}
    for cfg in composed.values():
        assert set(cfg) >= {"data", "degradation", "generator", "discriminator", "loss", "stage", "trainer"}
    for one, other in itertools.combinations(composed, 2):
        assert composed[one] != composed[other], f"{group}={one} and {group}={other} are the same"


@pytest.mark.parametrize("experiment", groups()["experiment"])
@pytest.mark.parametrize("ablation", groups()["ablation"])
def test_every_ablation_goes_on_top_of_every_experiment(experiment, ablation):
    cfg = compose_config([f"experiment={experiment}", f"ablation={ablation}"])
    changed = {
        "none": True,
        "first_order": cfg.degradation.get("second") is None,
        "no_sinc": cfg.kernels.sinc_prob == 0,
        "gaussian_only": cfg.kernels.plateau_iso == 0,
        "discriminator_vgg": cfg.discriminator.network._target_.endswith("VGGDiscriminator"),
        "discriminator_unet": cfg.discriminator.network.get("spectral_norm") is False,
        "no_sharpening": not cfg.sharpen.source,
    }
    assert changed[ablation]


@pytest.mark.parametrize("experiment", groups()["experiment"])
def test_an_experiment_opens_with_the_command_that_runs_it(experiment):
    lines = (conf_folder() / "experiment" / f"{experiment}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith(f"# python train.py experiment={experiment}")
    assert compose_config([f"experiment={experiment}"]).name == experiment


def test_the_groups_are_the_contracts():
    assert set(groups()) >= {
        "stage", "degradation", "kernels", "loss", "sharpen", "generator", "discriminator", "data", "trainer",
        "memory", "logger", "callbacks", "paths", "hydra", "search", "experiment", "ablation", "optimizer", "schedule",
    }  # fmt: skip


def test_the_published_lengths_are_the_defaults():
    cfg = compose_config(["experiment=real_esrgan_plus"])
    psnr, gan = (stage_of(stage_config(cfg, name)) for name in cfg.stage.sequence)
    assert (psnr.iterations, psnr.lr, psnr.predecessor) == (1_000_000, 2e-4, None)
    assert (gan.iterations, gan.lr, gan.predecessor) == (400_000, 1e-4, "psnr")
    assert (list(psnr.losses), list(gan.losses)) == (["pixel"], ["pixel", "perceptual", "adversarial"])


def test_a_stage_sees_its_own_values_and_folder():
    cfg = compose_config(["name=mine", "stages.gan.checkpoint_every=7"])
    for name, every in (("psnr", 5000), ("gan", 7)):
        own = stage_config(cfg, name)
        assert own.callbacks.checkpoints.every_n_train_steps == every
        assert own.callbacks.panels.folder == f"runs/mine/{name}/panels"
    assert cfg.stage.name == "psnr"


def test_scale_is_said_once():
    cfg = compose_config(["scale=2", "generator=compact"])
    assert cfg.generator.network.scale == 2
    assert build(cfg.degradation, "degradation") == DegradationSpec(scale=2)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["experiment=quickstrat"], "experiment=quickstrat: no such option; nearest: quickstart; choose from "),
        (["generator=rrbd"], "generator=rrbd: no such option; nearest: rrdb"),
        (["stages.gan.iteratons=2"], "stages.gan.iteratons=2: no such key; nearest: stages.gan.iterations"),
        (["stage.lr=1e-4"], "stage.lr=1e-4: no such key; nearest: stages.gan.lr, stages.psnr.lr"),
        (["loss.adverserial.weight=1"], "no such key; nearest: loss.adversarial.weight"),
        (["expriment=quickstart"], "expriment=quickstart: no such key; nearest: experiment"),
        (["gaussian_sigma=3"], "nearest: degradation.first.noise.gaussian_sigma"),
        (["iterations.psnr=3"], "iterations.psnr=3: no such key; nearest: stages.psnr.iterations"),
        (["gan.lr=1"], "nearest: stages.gan.lr, stages.psnr.lr;"),
        (["data.train.root=/x"], "; data=df2k_ost, data=folder, data=store have it; to add it"),
        (["~callbacks.panel"], "~callbacks.panel: no such key; nearest: callbacks.panels"),
        (["seed=1=2"], "seed=1=2: not understood"),
        (["quickstart"], "quickstart: not understood; wanted KEY=VALUE"),
        (["ablation=nno"], "ablation=nno: no such option; choose from discriminator_unet"),
        (["hydra/launcher=slrum"], "hydra/launcher=slrum: no such option; nearest: slurm; choose from basic, slurm"),
        (["generator.network.convs=4"], "to add it: ++generator.network.convs=4"),
    ],
)
def test_a_typo_is_answered_in_one_line_with_the_nearest_names(overrides, words):
    with pytest.raises(ValueError) as caught:
        compose_config(overrides)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_new_key_may_be_added_on_purpose():
    assert compose_config(["+mine=1"]).mine == 1


def test_a_misspelt_key_in_yaml_is_named_when_it_is_built():
    node = OmegaConf.create({"_target_": "wildsr.losses.L1Loss", "wieght": 1})
    with pytest.raises(UserError, match=r"loss\.pixel: no such key 'wieght'"):
        build(node, "loss.pixel")


@pytest.mark.parametrize("suggestion", ["", ". Did you mean 'weight'?"])  # Python 3.13 adds it
def test_a_misspelt_key_is_told_alike_by_every_python(suggestion):
    reason = f"L1Loss.__init__() got an unexpected keyword argument 'wieght'{suggestion}"
    hydra = f"Error in call to target 'wildsr.losses.L1Loss':\nTypeError({reason!r})\nfull_key: loss.pixel"
    assert explain_call(reason, hydra) == "no such key 'wieght'; nearest: weight"
    assert explain_call("wanted a number", hydra) == "wanted a number"


def test_an_impossible_value_is_wrong_use_and_a_missing_file_failed_work():
    for words, part, code in (
        (["degradation.first.noise.grey_prob=2"], "degradation", 2),
        (["+sharpen.sauce=true"], "sharpen", 2),
        (["data=folder", "data.train.root=/nowhere"], "data.train", 1),
    ):
        cfg = compose_config(words)
        with pytest.raises(UserError) as caught:
            build(OmegaConf.select(cfg, part), part)
        assert exit_code(caught.value) == code, words


def test_a_bug_in_what_is_built_keeps_its_traceback():
    node = OmegaConf.create({"_target_": "operator.truediv", "_args_": [1, 0]})
    with pytest.raises(ZeroDivisionError):
        build(node, "part")


def test_a_users_mistake_is_one_line_and_a_bug_is_a_traceback(capsys, monkeypatch):
    assert report_error(UserError("a.png: given 3, wanted 4")) == 1
    assert capsys.readouterr().err == "error: a.png: given 3, wanted 4\n"
    assert report_error(ConfigError("seed=x")) == 2
    assert report_error(KeyError("bug")) == 1
    assert "KeyError: 'bug'" in capsys.readouterr().err
    monkeypatch.setenv("WILDSR_DEBUG", "1")
    assert report_error(UserError("a.png")) == 1
    assert "UserError: a.png" in capsys.readouterr().err


def test_composing_inside_anothers_composing_leaves_hydra_as_it_was():
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        assert compose_config(["seed=3"]).seed == 3
        assert GlobalHydra.instance().is_initialized()
    assert not GlobalHydra.instance().is_initialized()


def test_an_impossible_value_is_named_with_its_whole_key():
    cfg = compose_config(["degradation.first.noise.gaussian_sigma=[10,1]"])
    with pytest.raises(ValueError, match=r"^degradation\.first\.noise\.gaussian_sigma: given .*wanted"):
        build(cfg.degradation, "degradation")


def test_a_class_that_names_its_whole_key_has_it_named_once():
    cfg = compose_config(["callbacks.divergence.limits.pixel=-1"])
    with pytest.raises(ValueError, match=r"^callbacks\.divergence\.limits\.pixel: given -1, wanted"):
        build(cfg.callbacks.divergence, "callbacks.divergence")
