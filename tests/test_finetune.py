"""Fine-tuning on photographs and on pairs, from weights that are there, small enough for one thread."""

import csv
import math

import pytest
import torch
from safetensors.torch import load_file

from wildsr.building import stage_of
from wildsr.config import compose_config
from wildsr.images import write_image
from wildsr.networks import CompactNet, UNetDiscriminator, save_generator
from wildsr.training.stops import Interrupted

TINY = [
    "generator=tiny",
    "discriminator.network.features=4",
    "loss=no_perceptual",
    "logger=csv",
    "data.crop=64",
    "data.patch=32",
    "data.batch_size=2",
    "stages.psnr.iterations=4",
    "stages.gan.iterations=4",
    "stages.psnr.iterations_per_epoch=4",
    "stages.gan.iterations_per_epoch=4",
    "stages.psnr.checkpoint_every=1",
    "stages.gan.checkpoint_every=1",
    "callbacks.panels.images=1",
]


@pytest.fixture
def start(tmp_path):
    """Overrides that start from a generator and a discriminator on disk, and those two files."""
    torch.manual_seed(0)
    generator, discriminator = tmp_path / "g.safetensors", tmp_path / "d.pth"
    save_generator(CompactNet(4, features=8, convs=2), generator)
    torch.save({"params": UNetDiscriminator(features=4).state_dict()}, discriminator)
    return [f"generator.weights='{generator}'", f"discriminator.weights='{discriminator}'"], generator, discriminator


def paired(pairs):
    sides = [f"data.{part}.{side}='{pairs / side}'" for part in ("pairs", "val") for side in ("lq", "hq")]
    return ["experiment=finetune_paired", *sides, *TINY]


def curves(folder):
    """Every row of a stage's csv files, in the order of their writing."""
    rows = []
    for file in sorted((folder / "csv").glob("version_*/metrics.csv")):
        with file.open() as opened:
            rows += list(csv.DictReader(opened))
    return rows


def validated(folder):
    """Iteration to val/psnr_y, of each validation."""
    return [(float(row["step"]), float(row["val/psnr_y"])) for row in curves(folder) if row.get("val/psnr_y")]


def test_finetuning_is_the_gan_stage_at_its_rate_from_the_released_pair():
    for name, share in (("finetune", 0), ("finetune_paired", 1)):
        cfg = compose_config([f"experiment={name}"])
        (name,) = cfg.stage.sequence
        stage = stage_of(cfg)
        assert (name, stage.lr, "adversarial" in stage.losses) == ("gan", 1e-4, True)
        assert (cfg.generator.weights, cfg.discriminator.weights) == ("realesrgan-x4plus", "realesrgan-x4plus-netd")
        assert (cfg.validate_first, cfg.data.paired_share) == (True, share)


def test_a_finetune_evaluates_its_start_before_its_first_iteration(train, photographs, start, tmp_path, capsys):
    overrides, generator, discriminator = start
    data = ["experiment=finetune", f"data.train.root='{photographs}'", f"data.val.root='{photographs}'", *TINY]
    scores = train([*data, *overrides, "stages.psnr.lr=0", "stages.gan.lr=0"], tmp_path / "run")
    rows = validated(tmp_path / "run" / "gan")
    assert [iteration for iteration, _ in rows] == [0, 4]
    assert rows[0][1] == rows[1][1]  # at a rate of 0 it stays what it was
    begun = scores[f"{generator} (start)"]
    assert rows[0][1] == pytest.approx(begun["psnr_y"], abs=1e-4)
    assert (tmp_path / "run" / "gan" / "panels" / "iteration_0000000.png").is_file()
    assert f"GAN stage, before its first iteration: PSNR-Y {rows[0][1]:.4g}" in capsys.readouterr().out
    assert begun["hard/psnr_y"] == scores["gan stage"]["hard/psnr_y"]
    trained = load_file(tmp_path / "run" / "gan" / "generator.safetensors")
    assert all(torch.equal(trained[name], tensor) for name, tensor in load_file(generator).items())
    state = torch.load(tmp_path / "run" / "gan" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    given = torch.load(discriminator, weights_only=True)["params"]
    assert all(torch.equal(state[f"discriminator.{name}"], given[name]) for name in ("conv0.weight", "conv9.bias"))


def test_a_finetune_on_pairs_goes_on_exactly_and_does_not_validate_first_again(train, pairs, start, tmp_path):
    overrides = [*paired(pairs), *start[0], "data.sets.hard=null"]
    train(overrides, tmp_path / "whole")
    with pytest.raises(Interrupted):
        train([*overrides, "callbacks.stops.max_time=00:00:00:00"], tmp_path / "cut")
    train([*overrides, "data.workers=1"], tmp_path / "cut")
    whole, cut = (load_file(tmp_path / run / "gan" / "generator.safetensors") for run in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    assert validated(tmp_path / "cut" / "gan") == validated(tmp_path / "whole" / "gan")
    assert [iteration for iteration, _ in validated(tmp_path / "cut" / "gan")] == [0, 4]
    # And the validation before the first iteration changes no weight.
    train([*overrides, "validate_first=false", "compare=false"], tmp_path / "without")
    without = load_file(tmp_path / "without" / "gan" / "generator.safetensors")
    assert all(torch.equal(whole[name], without[name]) for name in whole)


def test_pairs_and_photographs_are_mixed_by_a_share(train, photographs, pairs, tmp_path):
    data = [
        "data=folder",
        f"data.train.root='{photographs}'",
        f"data.val.root='{photographs}'",
        *(f"data.pairs.{side}='{pairs / side}'" for side in ("lq", "hq")),
    ]
    more = [f"+data.sets.found={{lq: '{pairs / 'lq'}', hq: '{pairs / 'hq'}'}}", f"+data.sets.real.lq='{pairs / 'lq'}'"]
    psnr = [*data, *TINY, "stage=psnr"]
    ends = {}
    for share in (0, 0.5, 1):
        quiet = [f"data.paired_share={share}", *(["data.val=null"] if share != 0.5 else more)]
        scores = train([*psnr, *quiet], tmp_path / str(share))
        ends[share] = load_file(tmp_path / str(share) / "psnr" / "generator.safetensors")
        if share == 0.5:
            figures = {"psnr_y", "ssim_y", "niqe"}
            assert set(scores["bicubic"]) == figures | {f"{s}/{f}" for s in ("hard", "found") for f in figures} | {
                "real/niqe"
            }
            assert all(math.isfinite(value) for value in scores["bicubic"].values())
            columns = set(curves(tmp_path / "0.5" / "psnr")[-1])
            assert {"val/psnr_y", "val/found/ssim_y", "val/real/niqe", "val/hard/niqe"} <= columns
            assert "val/real/psnr_y" not in columns
    name = next(iter(ends[0]))
    assert not any(torch.equal(ends[a][name], ends[b][name]) for a, b in ((0, 0.5), (0, 1), (0.5, 1)))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.paired_share=2"], r"^data\.paired_share: given 2, wanted a number from 0 to 1"),
        (["data.paired_share=0.5"], r"^data\.train: given nothing, wanted photographs to degrade"),
        (["data.pairs.lq=nowhere"], r"^data\.pairs: nowhere: no such folder; give the folders of your pairs"),
        (["data.val.hq=nowhere"], r"^data\.val: nowhere: no such folder; give held-out pairs"),
        (["scale=2"], r"^data\.pairs: .*4 of 4 do not pair at scale=2"),
        (["metrics=[pnsr]"], r"^metrics: given 'pnsr'; choose from psnr_y"),
        (["+data.sets.phone.lq=nowhere"], r"^data\.sets\.phone: nowhere: no such folder"),
        (["+data.sets.phone.lp=nowhere"], r"^data\.sets\.phone: no such key 'lp'"),
        (["+data.sets.main.lq=nowhere"], r"^data\.sets\.main: wanted another name than main"),
        (["data.pairs.lq=null"], r"^data\.pairs: lq=None, hq=.*: wanted two folders"),
    ],
)
def test_what_does_not_fit_is_one_line_before_anything_runs(train, pairs, tmp_path, overrides, words):
    scratch = ["generator.weights=null", "discriminator.weights=null", "stages.gan.predecessor=null"]
    with pytest.raises(ValueError, match=words) as caught:
        train([*paired(pairs), *scratch, *overrides], tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_images_too_small_to_be_evaluated_are_named(train, tmp_path):
    (tmp_path / "small").mkdir()
    write_image(torch.zeros(3, 25, 40), tmp_path / "small" / "a.png")
    overrides = [*TINY, "stage=psnr", f"+data.sets.real.lq='{tmp_path / 'small'}'"]
    with pytest.raises(ValueError, match=r"^shortest side of .*a\.png, for validation: given 100, wanted .* from 104"):
        train(overrides, tmp_path / "run")
    train([*overrides, "metrics=[psnr_y]", "compare=false"], tmp_path / "run")  # NIQE alone needs so much
