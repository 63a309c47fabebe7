import itertools

import pytest
from omegaconf import OmegaConf

from wildsr.config import build, compose_config, groups
from wildsr.degradation import DegradationSpec


@pytest.mark.parametrize("group", [group for group in groups() if not group.startswith("hydra")])
def test_every_option_composes_to_what_no_other_option_of_its_group_does(group):
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
    from wildsr.config import conf_folder

    lines = (conf_folder() / "experiment" / f"{experiment}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith(f"# python train.py experiment={experiment}")
    assert compose_config([f"experiment={experiment}"]).name == experiment


def test_the_groups_are_the_contracts():
    assert set(groups()) >= {
        "stage", "degradation", "kernels", "loss", "sharpen", "generator", "discriminator", "data", "trainer",
        "logger", "callbacks", "paths", "hydra", "search", "experiment", "ablation",
    }  # fmt: skip


def test_the_published_lengths_are_the_defaults():
    cfg = compose_config(["experiment=real_esrgan_plus"])
    assert (cfg.iterations.psnr, cfg.iterations.gan) == (1_000_000, 400_000)
    gan = build(compose_config(["experiment=real_esrgan_plus", "stage=gan"]).stage, "stage")
    assert (gan.iterations, gan.lr, gan.predecessor) == (400_000, 1e-4, "psnr")
    assert list(gan.losses) == ["pixel", "perceptual", "adversarial"]


def test_scale_is_said_once():
    cfg = compose_config(["scale=2", "generator=compact"])
    assert cfg.generator.network.scale == 2
    assert build(cfg.degradation, "degradation") == DegradationSpec(scale=2)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["experiment=quickstrat"], "experiment=quickstrat: no such option; nearest: quickstart; wanted one of:"),
        (["generator=rrbd"], "generator=rrbd: no such option; nearest: rrdb"),
        (["stage.iteratons=2"], "stage.iteratons=2: no such key; nearest: stage.iterations"),
        (["expriment=quickstart"], "expriment=quickstart: no such key; nearest: experiment"),
        (["gaussian_sigma=3"], "nearest: degradation.first.noise.gaussian_sigma"),
        (["seed=1=2"], "seed=1=2: not understood"),
        (["ablation=none,nno"], "ablation=nno: no such option"),
        (["generator=compact,rrdb", "generator.network.convs=4"], "wants two plus signs: ++KEY=VALUE"),
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
    node = OmegaConf.create({"_target_": "wildsr.training.LossSpec", "pixle": 1})
    with pytest.raises(ValueError, match="loss: no such key 'pixle'"):
        build(node, "loss")


def test_an_impossible_value_is_named_with_its_whole_key():
    cfg = compose_config(["degradation.first.noise.gaussian_sigma=[10,1]"])
    with pytest.raises(ValueError, match=r"^degradation\.first\.noise\.gaussian_sigma: given .*wanted"):
        build(cfg.degradation, "degradation")
