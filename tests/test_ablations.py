"""What an ablation, and each option of a group that changes the training, does to the tensor, kernel or module it
names; and that each of them trains.
"""

from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch.nn.utils import parametrize

from wildsr.building import build_data, build_losses
from wildsr.config import build, compose_config, groups
from wildsr.data import Batch
from wildsr.degradation import degrade, render_kernel
from wildsr.degradation.operations import Blur
from wildsr.images import to_float
from wildsr.losses import BACKBONES
from wildsr.networks import UNetDiscriminator, VGGDiscriminator

SMALL = ["data.crop=64", "data.patch=32", "data.batch_size=2", "data.val=null", "data.workers=0", "logger=csv"]
CHANGING = [
    "degradation", "kernels", "sharpen", "generator", "discriminator", "loss", "optimizer", "schedule", "ablation"
]  # fmt: skip
TINY = ["generator=tiny", "discriminator.network.features=4"]
# What wants a file or a name of its own has tests of its own: networks of spandrel and from files, pools of recipes.
WANTING = {
    ("generator", "spandrel"),
    ("generator", "from_file"),
    ("discriminator", "from_file"),
    ("degradation", "matched"),
}
OPTIONS = [(group, option) for group in CHANGING for option in groups()[group] if (group, option) not in WANTING]
SPANDREL = ("span", "realplksr", "omnisr", "dat_light")  # some of their parameters have no part in the result


@pytest.fixture(scope="session")
def features(tmp_path_factory):
    """Files of seeded random weights for the perceptual loss, by backbone."""
    torch.manual_seed(0)
    files = {}
    for name, backbone in BACKBONES.items():
        path = tmp_path_factory.mktemp("features") / f"{name}.pth"
        state = {f"{backbone.prefix}{key}": t.half() for key, t in backbone.build().state_dict().items()}
        torch.save(state, path)
        files[name] = path
    return files


def configured(*words):
    return compose_config(["experiment=real_esrgan_plus", "data=photos", *SMALL, *words])


def drawn(count, *words):
    """The recipes of the first samples of a run."""
    samples = build_data(configured(*words)).samples
    return [samples[number][1].recipe for number in range(count)]


def pairs(count, *words):
    """The first samples of a run: what was drawn, and the training pair of each with its HQ crop."""
    data = build_data(configured(*words))
    items = [data.samples[number] for number in range(count)]
    batches = [Batch.collate([item]) for item in items]
    return [(b.params[0], b.hq[0], data.make_pairs(b)) for b in batches]


def kernels(recipe):
    return [record for record in recipe.records.values() if isinstance(record, Blur)]


def cut(image, sample):
    top, left = 4 * sample.window_top, 4 * sample.window_left
    return image[:, top : top + 32, left : left + 32]


def discriminator_of(*words):
    cfg = configured("stage=gan", "discriminator.network.features=4", *words)
    return build(cfg.discriminator.network, "discriminator.network")


def test_no_sinc_changes_exactly_the_samples_that_had_one():
    changed = []
    for (before, _, one), (after, _, other) in zip(pairs(40), pairs(40, "ablation=no_sinc"), strict=True):
        had_one = any(kernel.kind == "sinc" for kernel in kernels(before.recipe))
        assert (before.recipe == after.recipe) is not had_one
        assert torch.equal(one.lq, other.lq) is not had_one
        changed.append(had_one)
    assert 0 < sum(changed) < 40


def test_no_sinc_leaves_no_kernel_that_rings():
    lowest = {
        name: min(float(render_kernel(k).min()) for recipe in drawn(60, f"ablation={name}") for k in kernels(recipe))
        for name in ("none", "no_sinc")
    }
    assert lowest["none"] < 0 <= lowest["no_sinc"]


def test_gaussian_only_draws_the_two_gaussians_in_proportion():
    counts = {}
    for name in ("none", "gaussian_only"):
        spec, rng = build_data(configured(f"ablation={name}")).samples.spec, np.random.default_rng(0)
        blurs = [spec.draw(rng).records["first.blur"] for _ in range(2000)]
        counts[name] = Counter(blur.kind for blur in blurs if blur.kind != "sinc")
    others = {"generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso"}
    assert set(counts["none"]) == {"iso", "aniso"} | others
    assert set(counts["gaussian_only"]) == {"iso", "aniso"}
    share = counts["gaussian_only"]["iso"] / counts["gaussian_only"].total()
    assert share == pytest.approx(0.45 / 0.7, abs=0.04)  # 3.5 standard deviations of 1800 draws


def test_first_order_has_neither_a_second_nor_a_final():
    for (before, _, one), (after, _, other) in zip(pairs(8), pairs(8, "ablation=first_order"), strict=True):
        assert {step.order for step in before.recipe.steps} == {"first", "second", "final"}
        assert {step.order for step in after.recipe.steps} == {"first"}
        assert not torch.equal(one.lq, other.lq)


def test_bicubic_is_torchs_antialiased_resize_of_the_sharpened_crop():
    for sample, hq, pair in pairs(3, "degradation=bicubic", "sharpen=none"):
        small = F.interpolate(to_float(hq)[None], size=(16, 16), mode="bicubic", antialias=True)[0]
        lq = small[:, sample.window_top : sample.window_top + 8, sample.window_left : sample.window_left + 8]
        assert torch.equal(pair.lq[0], (lq.clamp(0, 1) * 255).round() / 255)


def test_no_sharpening_makes_source_and_targets_the_photograph_itself():
    for (sample, hq, plain), (_, _, plus) in zip(pairs(4, "ablation=no_sharpening"), pairs(4), strict=True):
        image = to_float(hq)
        assert torch.equal(plain.target_pixel[0], cut(image, sample))
        assert torch.equal(plain.target_perceptual, plain.target_pixel)
        assert torch.equal(plain.target_adversarial, plain.target_pixel)
        lq = degrade(image, sample.recipe)
        window = lq[:, sample.window_top : sample.window_top + 8, sample.window_left : sample.window_left + 8]
        assert torch.equal(plain.lq[0], window)
        assert torch.equal(plus.target_adversarial, plain.target_adversarial)
        for part in ("lq", "target_pixel", "target_perceptual"):
            assert not torch.equal(getattr(plus, part), getattr(plain, part))


def test_the_discriminators_are_what_they_are_called():
    image = torch.rand(2, 3, 128, 128)
    normed, plain = discriminator_of(), discriminator_of("ablation=discriminator_unet")
    vgg = discriminator_of("ablation=discriminator_vgg", "data.crop=128", "data.patch=128")
    assert [type(network) for network in (normed, plain, vgg)] == [
        UNetDiscriminator,
        UNetDiscriminator,
        VGGDiscriminator,
    ]
    parametrised = [
        {name for name, module in network.named_modules() if parametrize.is_parametrized(module)}
        for network in (normed, plain, vgg)
    ]
    assert parametrised == [{f"conv{i}" for i in range(1, 9)}, set(), set()]
    assert [tuple(network(image).shape) for network in (normed, plain, vgg)] == [
        (2, 1, 128, 128), (2, 1, 128, 128), (2, 1)
    ]  # fmt: skip


def test_each_loss_compares_the_features_of_its_own_network(features):
    terms = {}
    for name in ("real_esrgan", "no_perceptual", "segmentation"):
        cfg = configured("stage=gan", f"loss={name}", *TINY)
        cfg.loss.perceptual.file = str(features[cfg.loss.perceptual.backbone])
        terms[name] = build_losses(cfg)
    assert terms["no_perceptual"]["perceptual"].weight == 0
    vgg, resnet = (
        list(dict(terms[name]["perceptual"].features.named_children())) for name in ("real_esrgan", "segmentation")
    )
    assert vgg == [str(index) for index in range(35)]  # VGG19 up to conv5_4
    assert resnet == ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"]
    assert {found["pixel"].weight for found in terms.values()} == {1.0}


def test_none_is_the_experiment_itself():
    assert compose_config(["experiment=quickstart", "ablation=none"]) == compose_config(["experiment=quickstart"])


def shrunk(*words):
    """Overrides that make whatever generator they choose a small one."""
    small = {"features": 8, "blocks": 1, "growth": 4, "convs": 2}
    network = compose_config(list(words)).generator.network
    return [f"generator.network.{key}={value}" for key, value in small.items() if key in network]


@pytest.mark.slow
@pytest.mark.parametrize(("group", "option"), OPTIONS, ids=lambda value: str(value))
def test_every_option_trains_twenty_iterations(train, group, option, features, tmp_path):
    words = ["experiment=quickstart", "generator.weights=null", *SMALL, f"{group}={option}"]
    words.append(f"loss.perceptual.file={features[compose_config(words).loss.perceptual.backbone]}")
    words += [
        *shrunk(*words),
        "discriminator.network.features=4",
        "stages.psnr.iterations=20",
        "stages.gan.iterations=20",
    ]
    if "vgg" in option:
        words += ["data.crop=128", "data.patch=128"]  # the smallest that it takes
    train(words, tmp_path)
    psnr, gan = (load_file(tmp_path / stage / "generator.safetensors") for stage in ("psnr", "gan"))
    assert all(torch.isfinite(tensor).all() for tensor in gan.values())
    trained = [name for name in psnr if name.endswith((".weight", ".bias"))]
    same = [name for name in trained if torch.equal(psnr[name], gan[name])]
    assert len(same) < len(trained) if option in SPANDREL else not same
