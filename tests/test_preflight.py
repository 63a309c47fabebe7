"""What would fail in a stage's first iteration, or at its end, is one line before anything is written."""

import pytest
import torch
from torch import nn

from wildsr import preflight
from wildsr.preflight import dry_run

TINY = [
    "generator=tiny", "discriminator.network.features=4", "loss=no_perceptual", "data.crop=64", "data.patch=32",
    "data.batch_size=2", "data.val=null", "stages.psnr.iterations=2", "stages.gan.iterations=2",
]  # fmt: skip


class Narrow(nn.Module):
    """A network that can be built and not be used: its layers do not fit each other."""

    scale, channels = 4, 3

    def __init__(self, heads: int = 3) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(heads * 4, heads, batch_first=True)
        self.head = nn.Conv2d(3, heads, 3)

    def forward(self, x):
        return self.layer(*[self.head(x).flatten(2)] * 3)


class Large(nn.Module):
    """A network of scale 4, given as such, that enlarges by 3."""

    scale, channels = 4, 3

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 27, 3, padding=1)

    def forward(self, x):
        return nn.functional.pixel_shuffle(self.layer(x), 3)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["stage=psnr", "NARROW"], r"PSNR stage: an iteration fails, given LQ 2 x 3 x 8 x 8, HQ 2 x 3 x 32 x 32, .*: "),
        (["stage=psnr", "LARGE"], r"PSNR stage: an iteration fails, given LQ 2 x 3 x 8 x 8, .*size of tensor"),
        (
            ["stage=full", "discriminator=vgg", "discriminator.network.features=4", "discriminator.network.size=128"],
            r"GAN stage: an iteration fails, given .*VGGDiscriminator got 32 × 32 pixels: wanted 128 × 128",
        ),
        (["stage=full", "trainer.precision=bf16-true"], "precision=bf16-true; choose from 32-true, 16-mixed, bf16-m"),
        (["stage=full", "trainer.precision=64-true"], "precision=64-true; choose from 32-true, 16-mixed, bf16-mixed"),
    ],
)
def test_an_error_in_the_first_iteration_is_one_line_before_anything_is_written(
    train, tmp_path, monkeypatch, words, wanted
):
    build = preflight.build_module
    networks = {"NARROW": Narrow, "LARGE": Large}
    for word, network in networks.items():
        if word in words:

            def other(cfg, weights, network=network):
                made = build(cfg, weights)
                made.generator = network()
                return made

            monkeypatch.setattr(preflight, "build_module", other)
    with pytest.raises(ValueError, match=wanted) as caught:
        train([*TINY, *(word for word in words if word not in networks)], tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_generator_that_cannot_be_loaded_again_is_said_before_the_run(train, tmp_path, monkeypatch, photographs):
    def refuse(network, file):
        raise ValueError(f"{file.name}: does not fit this network")

    monkeypatch.setattr(preflight, "load_weights", refuse)
    folders = ["data=folder", f"data.train.root='{photographs}'", f"data.val.root='{photographs}'"]
    tiny = [word for word in TINY if word != "data.val=null"]
    with pytest.raises(ValueError, match=r"PSNR stage: its generator cannot be saved, loaded and used.*does not fit"):
        train([*folders, *tiny, "stage=psnr"], tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_dry_run_leaves_random_numbers_and_the_run_as_they_were(train, tmp_path, monkeypatch):
    ends = []
    for name, rehearsal in (("with", dry_run), ("without", lambda *_, **__: None)):
        monkeypatch.setattr("wildsr.preflight.dry_run", rehearsal)
        train([*TINY, "compare=false"], tmp_path / name)
        ends.append(
            [
                torch.load(tmp_path / name / stage / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
                for stage in ("psnr", "gan")
            ]
        )
    for one, other in zip(*ends, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(tensor, other[key]) for key, tensor in one.items())
