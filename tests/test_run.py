"""Runs from the command line's overrides to the finished files, small enough for one thread."""

import errno
import json
import math
import os
import signal
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from omegaconf import OmegaConf
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torchvision.models import vgg

from wildsr.cli import main
from wildsr.config import compose_config, groups
from wildsr.data import Batch, validation_set
from wildsr.io import UserError
from wildsr.networks import CompactNet, UNetDiscriminator, save_generator
from wildsr.stage import Stage
from wildsr.training.checkpoints import AtomicCheckpointIO
from wildsr.training.module import SuperResolution
from wildsr.training.pairs import validation_pair
from wildsr.training.stops import Interrupted

TINY = [
    "generator=tiny",
    "discriminator.network.features=4",
    "loss=no_perceptual",
    "data.crop=64",
    "data.patch=32",
    "data.batch_size=2",
    "data.val_recipes=1",
]
SHORT = [
    "stages.psnr.iterations=4",
    "stages.gan.iterations=4",
    "stages.psnr.iterations_per_epoch=2",
    "stages.gan.iterations_per_epoch=2",
    "stages.psnr.checkpoint_every=1",
    "stages.gan.checkpoint_every=1",
]


@pytest.fixture
def folders(photographs):
    return ["data=folder", f"data.train.root='{photographs}'", f"data.val.root='{photographs}'"]


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory):
    """VGG19's convolutions with seeded random weights, under torchvision's names."""
    torch.manual_seed(0)
    layers: nn.Sequential = vgg.make_layers(vgg.cfgs["E"], batch_norm=False)
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save({f"features.{name}": tensor for name, tensor in layers.state_dict().items()}, path)
    return path


def checkpoint(folder: Path):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def same(one, other) -> bool:
    """Equality through nested dicts and lists, tensors bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return one == other


def test_a_run_leaves_what_it_promises(train, folders, tmp_path, capsys):
    scores = train([*folders, *TINY, *SHORT, "name=first"], tmp_path / "run")
    for stage in ("psnr", "gan"):
        folder = tmp_path / "run" / stage
        names = {path.name for path in (folder / "checkpoints").iterdir()}
        assert names == {"last.ckpt", "best.ckpt", *(f"iteration_000000{n}.ckpt" for n in (2, 3, 4))}
        assert (folder / "panels" / "iteration_0000004.png").is_file()
        assert "val/psnr_y" in (folder / "csv" / "version_0" / "metrics.csv").read_text()
        assert checkpoint(folder)["iteration"] == 4
    assert {"comparison.png", "images.csv", "strata.csv"} <= {path.name for path in (tmp_path / "run").iterdir()}
    assert list(scores) == ["bicubic", "psnr stage", "gan stage"]
    assert json.loads((tmp_path / "run" / "scores.json").read_text()) == scores
    assert "without the perceptual loss" in capsys.readouterr().out


def test_a_run_says_once_what_became_of_the_weights_that_it_starts_from(train, folders, tmp_path, capsys):
    save_generator(CompactNet(2, features=8, convs=2), tmp_path / "x2.pth")
    torch.save(UNetDiscriminator(1, features=4).state_dict(), tmp_path / "grey.pth")
    weights = [f"generator.weights='{tmp_path / 'x2.pth'}'", f"discriminator.weights='{tmp_path / 'grey.pth'}'"]
    overrides = [*folders, *TINY, *SHORT, *weights, "data.val=null", "compare=false"]
    train(overrides, tmp_path / "run")
    lines = capsys.readouterr().out.splitlines()
    start = lines.index(f"generator: from {tmp_path / 'x2.pth'}")
    assert lines[start + 1].split() == ["taken", "9", "tensors"]
    assert lines[start + 2].split() == ["left", "as", "initialised", "body.6.weight,", "body.6.bias"]
    start = lines.index(f"discriminator: from {tmp_path / 'grey.pth'}")
    assert lines[start + 2].split(maxsplit=1) == ["re-made", "conv0.weight (1 to 3 input channels)"]
    assert sum(line.startswith(("generator: ", "discriminator: ")) for line in lines) == 2
    train([*overrides, "stages.psnr.iterations=5", "stages.gan.iterations=5"], tmp_path / "run")
    assert "generator: " not in capsys.readouterr().out  # the checkpoint's weights are the ones that count


def test_a_stage_refuses_the_generator_of_another_scale(train, folders, tmp_path):
    save_generator(CompactNet(2, features=8, convs=2), tmp_path / "psnr" / "generator.safetensors")
    with pytest.raises(ValueError, match=r"generator\.safetensors does not fit this CompactNet"):
        train([*folders, *TINY, *SHORT, "data.val=null", "stage=gan"], tmp_path)


def test_the_gan_stage_starts_from_the_average_of_the_psnr_stage(train, folders, tmp_path):
    train([*folders, *TINY, *SHORT, "data.val=null", "stage=psnr"], tmp_path)
    train([*folders, *TINY, *SHORT, "data.val=null", "stage=gan", "stages.psnr.lr=0", "stages.gan.lr=0"], tmp_path)
    psnr, gan = (load_file(tmp_path / stage / "generator.safetensors") for stage in ("psnr", "gan"))
    average = {n.removeprefix("ema.module."): t for n, t in checkpoint(tmp_path / "psnr")["state_dict"].items()}
    assert all(torch.equal(psnr[name], average[name]) for name in psnr)
    assert same(psnr, gan)
    raw = checkpoint(tmp_path / "psnr")["state_dict"]
    assert not all(torch.equal(psnr[name], raw[f"generator.{name}"]) for name in psnr)


def test_grey_images_go_through_both_stages_and_all_that_follows_in_one_channel(
    train, photographs, vgg_file, tmp_path, capsys
):
    grey = tmp_path / "grey"
    grey.mkdir()
    for name in ("a.png", "b.jpg"):
        with Image.open(photographs / name) as image:
            image.convert("L").save(grey / f"{name[0]}.png")
    save_generator(CompactNet(4, 3, features=8, convs=2), tmp_path / "colour.pth")  # the start, itself of colour
    overrides = [
        "data=folder", f"data.train.root='{grey}'", f"data.val.root='{grey}'", *TINY, "generator.network.channels=1",
        f"generator.weights='{tmp_path / 'colour.pth'}'", "loss=real_esrgan", f"loss.perceptual.file='{vgg_file}'",
        *(f"stages.{stage}.{key}=2" for stage in ("psnr", "gan") for key in ("iterations", "iterations_per_epoch")),
    ]  # fmt: skip
    run = tmp_path / "run"
    scores = train(overrides, run)
    assert list(scores) == ["bicubic", f"{tmp_path / 'colour.pth'} (start)", "psnr stage", "gan stage"]
    state = load_file(run / "gan" / "generator.safetensors")
    assert (state["body.0.weight"].shape[1], state["body.6.weight"].shape[0]) == (1, 16)
    assert checkpoint(run / "gan")["state_dict"]["discriminator.conv0.weight"].shape[1] == 1
    assert OmegaConf.load(run / "gan" / "config.yaml").channels == 1

    # PSNR of grey images is that of their own levels, not of a luma in studio range.
    sets = validation_set(4, hq=grey, channels=1)
    found = []
    for index in range(2):
        lq, hq, _ = validation_pair(Batch.collate([sets[index]]))
        sr = F.interpolate(lq, scale_factor=4, mode="bicubic").clamp(0, 1)
        error = ((sr * 255).round() - (hq * 255).round())[..., 4:-4, 4:-4].double().square().mean()
        found.append(10 * math.log10(255**2 / error))
    assert scores["bicubic"]["psnr_y"] == pytest.approx(sum(found) / 2, abs=1e-4)

    capsys.readouterr()
    weights = str(run / "gan" / "generator.safetensors")
    words = [f"made=synthetic:{grey}", "-o", str(tmp_path / "report"), "--weights", f"gan={weights}"]
    assert main(["evaluate", "--set", *words]) == 0
    evaluated = json.loads((tmp_path / "report" / "scores.json").read_text())
    for method, row in (("bicubic", "bicubic"), ("gan", "gan stage")):
        assert evaluated[method]["made/psnr_y"] == pytest.approx(scores[row]["psnr_y"], abs=1e-3)
    assert main(["upscale", str(grey), "-o", f"{tmp_path}/large/", "--weights", weights]) == 0
    with Image.open(tmp_path / "large" / "a.png") as large:
        assert (large.mode, large.size) == ("L", (768, 640))


@pytest.mark.parametrize("word", ["channels=1", "generator.network.channels=1"])
@pytest.mark.parametrize("name", ["unet_sn", "vgg"])
def test_discriminators_have_the_generators_channels(word, name, tmp_path):
    words = [word, "generator=tiny", f"discriminator={name}", "discriminator.network.features=4", "data.patch=128"]
    cfg = compose_config([*words, "stage=gan", "loss=no_perceptual", "data.val=null", f"paths.run={tmp_path / 'run'}"])
    stage = Stage(OmegaConf.merge(cfg, {"stages": {"gan": {"predecessor": None}}}), "gan")
    assert stage.cfg.channels == 1
    module = stage.module
    logits = module.discriminator(module.generator(torch.rand(2, 1, 32, 32)))
    assert logits.shape == ((2, 1, 128, 128) if name == "unet_sn" else (2, 1))


@pytest.fixture(scope="session")
def whole(train, tmp_path_factory):
    """An uninterrupted run's folder, and the overrides that made it."""
    overrides = ["data=photos", "data.val=null", *TINY, *SHORT]
    folder = tmp_path_factory.mktemp("whole")
    train(overrides, folder)
    return overrides, folder


def assert_same_end(one: Path, other: Path) -> None:
    for stage in ("psnr", "gan"):
        first, second = checkpoint(one / stage), checkpoint(other / stage)
        assert first["iteration"] == second["iteration"] == 4
        assert same(first["state_dict"], second["state_dict"])
        assert same(first["optimizer_states"], second["optimizer_states"])
        results = [load_file(run / stage / "generator.safetensors") for run in (one, other)]
        assert same(*results)


# Each stage saves four times: after iterations 1, 2, 3, 4, of which 2 and 4 end an epoch.
@pytest.mark.parametrize("stop", range(1, 9))
def test_a_run_that_was_cut_off_ends_as_an_uninterrupted_one(train, whole, tmp_path, monkeypatch, stop):
    overrides, folder = whole
    saves = 0
    save = AtomicCheckpointIO.save_checkpoint

    def cut(self, *arguments, **options):
        nonlocal saves
        save(self, *arguments, **options)
        saves += 1
        if saves == stop:
            raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(AtomicCheckpointIO, "save_checkpoint", cut)
        with pytest.raises(RuntimeError, match="power cut"):
            train(overrides, tmp_path)
    train(overrides, tmp_path)
    assert_same_end(folder, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_first_and_the_same_command_goes_on(train, whole, tmp_path, monkeypatch, number):
    overrides, folder = whole
    overrides = [
        *overrides,
        "stages.psnr.checkpoint_every=1000",
        "stages.gan.checkpoint_every=1000",
        "stages.psnr.iterations_per_epoch=1000",
        "stages.gan.iterations_per_epoch=1000",
    ]
    with monkeypatch.context() as patch:
        patch.setattr(SuperResolution, "on_train_batch_start", lambda *_: os.kill(os.getpid(), number))
        with pytest.raises(Interrupted, match=f"PSNR stage stopped after iteration 1 .{number.name}"):
            train(overrides, tmp_path)
    train(overrides, tmp_path)
    assert_same_end(folder, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_last_iteration_of_a_stage_stops_before_the_next(train, whole, tmp_path, monkeypatch, number):
    overrides, folder = whole

    def last(self, *_):
        if self.iteration == 3:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(SuperResolution, "on_train_batch_start", last)
        with pytest.raises(Interrupted, match="PSNR stage stopped after iteration 4"):
            train(overrides, tmp_path)
    train(overrides, tmp_path)
    assert_same_end(folder, tmp_path)


def test_workers_that_degrade_end_with_the_same_weights(train, whole, tmp_path):
    overrides, folder = whole
    train([*overrides, "data.workers=1", "data.degrade_in=worker"], tmp_path)
    assert_same_end(folder, tmp_path)


def test_a_time_limit_holds_for_each_call(train, whole, tmp_path):
    overrides, folder = whole
    limited = [*overrides, "trainer.max_time=00:00:00:00"]
    for iteration in (1, 2, 3):
        with pytest.raises(Interrupted, match=f"after iteration {iteration} .*max_time"):
            train(limited, tmp_path)
    train(overrides, tmp_path)
    assert_same_end(folder, tmp_path)


def test_a_stage_can_be_made_longer_and_its_epochs_changed(train, whole, tmp_path):
    overrides, folder = whole
    train([*overrides, "stages.psnr.iterations=1", "stages.gan.iterations=1", "stage=psnr"], tmp_path)
    train(
        [
            *overrides,
            "stages.psnr.iterations=3",
            "stages.gan.iterations=3",
            "stages.psnr.iterations_per_epoch=3",
            "stages.gan.iterations_per_epoch=3",
            "stage=psnr",
        ],
        tmp_path,
    )
    train(overrides, tmp_path)
    assert_same_end(folder, tmp_path)


def test_other_settings_do_not_go_on_with_a_run(train, whole, tmp_path):
    overrides, folder = whole
    for change, words in [
        ("seed=5", "was trained with seed=0, now 5; wanted the same settings"),
        ("generator.network.features=6", "was trained with generator.network.features=8, now 6"),
        ("kernels=no_sinc", "sinc.prob=0.8, now 0.0; .*kernels.sinc_prob=0.1, now 0.0; wanted"),
        ("kernels=gaussian_only", r"kernels\.generalized_aniso=0.03, now 0.0; .*plateau_iso=0.12, now 0.0; wanted"),
        ("degradation=bicubic", r"degradation\.final.*; .* more differ\); wanted"),
    ]:
        with pytest.raises(ValueError, match=words) as caught:
            train([*overrides, change], folder)
        assert "\n" not in str(caught.value)


def test_a_run_that_failed_before_its_first_checkpoint_takes_the_corrected_command(train, tmp_path, monkeypatch):
    words = [*TINY, *SHORT, "stage=psnr", "data.val=null"]

    def cut(*_, **__):
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(AtomicCheckpointIO, "save_checkpoint", cut)
        with pytest.raises(RuntimeError, match="power cut"):
            train(words, tmp_path)
    assert (tmp_path / "psnr" / "config.yaml").is_file()
    train([*words, "seed=5", "generator.network.features=6"], tmp_path)
    assert checkpoint(tmp_path / "psnr")["origin"]["settings"]["seed"] == 5
    # What was trained is compared, be it a checkpoint or a generator alone.
    for file in (tmp_path / "psnr" / "checkpoints").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match=r"was trained with .*seed=5, now 0"):
        train(words, tmp_path)


def test_what_the_stage_does_not_use_may_change(train, whole, tmp_path):
    overrides, _ = whole
    psnr = [*overrides, "stage=psnr"]
    train([*psnr, "stages.psnr.iterations=2"], tmp_path)
    unused = [
        "discriminator=vgg", "loss.adversarial.weight=0.5", "loss.perceptual.file=elsewhere.pth", "stages.gan.lr=0.5",
        "+loss.mine={_target_: wildsr.losses.L1Loss, weight: 0}", "stages.psnr.losses=[pixel,mine]",
        "logger=tensorboard", "data.workers=1", "metrics=[psnr_y]", "~callbacks.panels", "data.pairs.lq=nowhere",
        "+optimizer.weight_decay=0",  # torch's default
    ]  # fmt: skip
    train([*psnr, *unused, "stages.psnr.iterations=3"], tmp_path)
    assert checkpoint(tmp_path / "psnr")["iteration"] == 3
    for used in ("+optimizer.weight_decay=0.1", "optimizer=adamw", "schedule=cosine", "stages.psnr.ema_decay=0.5"):
        with pytest.raises(UserError, match="was trained with"):
            train([*psnr, used], tmp_path)


@pytest.mark.parametrize("file", ["config.yaml", "checkpoints/last.ckpt"])
def test_a_run_of_v01_does_not_go_on_and_its_weights_load(train, tmp_path, file):
    frozen = Path(__file__).parent / "golden" / "v01" / "run" / "psnr"
    source, target = frozen / Path(file).name, tmp_path / "psnr" / file
    target.parent.mkdir(parents=True)
    if source.is_file():
        target.write_bytes(source.read_bytes())
    else:
        target.write_text("name: quickstart\nstage: {name: psnr, iterations: 4}\n")
    if file == "config.yaml":
        (target.parent / "generator.safetensors").write_bytes((frozen / "generator.safetensors").read_bytes())
    overrides = ["data=photos", "data.val=null", *TINY, *SHORT, "stage=psnr"]
    with pytest.raises(
        UserError, match=r"was made by wildsr 0\.1, whose runs do not go on; wanted another name=NAME"
    ) as e:
        train(overrides, tmp_path)
    assert "\n" not in str(e.value)
    train([*overrides, f"generator.weights='{frozen / 'last.ckpt'}'", "resume=never"], tmp_path)


def test_a_stage_that_ends_between_two_checkpoints_is_saved_at_its_end(train, tmp_path, capsys):
    overrides = ["data=photos", "data.val=null", *TINY, "stage=psnr", "stages.psnr.checkpoint_every=2"]
    train([*overrides, "stages.psnr.iterations=3"], tmp_path)
    assert checkpoint(tmp_path / "psnr")["iteration"] == 3
    train([*overrides, "stages.psnr.iterations=3"], tmp_path)
    assert "PSNR stage: finished, 3 iterations" in capsys.readouterr().out


def test_mistakes_in_the_second_stage_stop_before_the_first(train, folders, tmp_path):
    for change in ("discriminator.weights=/nowhere.pth", "loss.perceptual.file=/nowhere.pth", "trainer.devices=2"):
        with pytest.raises((ValueError, OSError)):
            train([*folders, *TINY, *SHORT, "loss.perceptual.weight=1.0", change], tmp_path / "run")
        assert not (tmp_path / "run").exists()


def test_an_earlier_checkpoint_can_be_gone_on_from(train, whole, tmp_path):
    overrides, folder = whole
    early = folder / "psnr" / "checkpoints" / "iteration_0000002.ckpt"
    train([*overrides, "stage=psnr", f"resume='{early}'", "callbacks.checkpoints.save_top_k=1"], tmp_path)
    assert same(checkpoint(tmp_path / "psnr")["state_dict"], checkpoint(folder / "psnr")["state_dict"])
    with pytest.raises(ValueError, match="is of the PSNR stage; choose from gan"):
        train([*overrides, "stage=gan", f"resume='{early}'"], tmp_path)


def test_a_finished_run_says_so_and_trains_no_more(train, folders, tmp_path, capsys):
    overrides = [*folders, *TINY, *SHORT]
    scores = train(overrides, tmp_path)
    before = (tmp_path / "gan" / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    capsys.readouterr()
    assert train(overrides, tmp_path) == scores
    assert "PSNR stage: finished, 4 iterations" in capsys.readouterr().out
    assert (tmp_path / "gan" / "checkpoints" / "last.ckpt").stat().st_mtime_ns == before


def test_resume_never_sets_the_earlier_run_aside(train, folders, tmp_path, capsys):
    overrides = [*folders, *TINY, *SHORT, "stage=psnr", "data.val=null"]
    train(overrides, tmp_path)
    train([*overrides, "resume=never"], tmp_path)
    assert (tmp_path / "psnr.1" / "generator.safetensors").is_file()
    assert "set aside" in capsys.readouterr().out


def test_real_esrgan_plus_runs_through_both_stages(train, vgg_file, tmp_path):
    overrides = ["experiment=real_esrgan_plus", "data=photos", "logger=csv", f"loss.perceptual.file={vgg_file}"]
    small = [
        "stages.psnr.iterations=2",
        "stages.gan.iterations=2",
        "data.batch_size=1",
        "data.crop=64",
        "data.patch=32",
        "data.val=null",
    ]
    train([*overrides, *small], tmp_path)
    state = checkpoint(tmp_path / "gan")["state_dict"]
    assert not any("perceptual" in name for name in state)
    assert sum(t.numel() for n, t in state.items() if n.startswith("generator.")) == 16_697_987
    assert load_file(tmp_path / "gan" / "generator.safetensors")["body.22.rdb3.conv5.weight"].shape == (64, 192, 3, 3)


def test_real_esrgan_plus_without_its_data_names_the_command_that_brings_them(train, tmp_path):
    with pytest.raises(ValueError, match=r"no such folder; bring the data with: wildsr prepare df2k_ost"):
        train(["experiment=real_esrgan_plus", f"paths.data={tmp_path}/none"], tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("experiment", groups()["experiment"])
def test_every_experiment_runs_one_tiny_batch(train, experiment, folders, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    overrides = [
        f"experiment={experiment}",
        *folders,
        *TINY,
        "stages.psnr.iterations=1",
        "stages.gan.iterations=1",
        "generator.weights=null",
    ]
    scratch = ["discriminator.weights=null", *(["stages.gan.predecessor=null"] if "finetune" in experiment else [])]
    train([*overrides, *scratch, "data.val=null", "logger=csv"], tmp_path)
    assert list(tmp_path.glob("*/generator.safetensors"))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ["stage=gan"],
            r"stage=gan starts from the generator of the PSNR stage, and .* is not there; wanted stage=psnr",
        ),
        (["generator.weights=nowhere.pth"], r"nowhere\.pth"),
        (
            ["generator.weights=realesrgan-x4plus"],
            "holds another network .conv_first.weight, .*; wanted CompactNet",
        ),
        (["stages.psnr.lr=fast", "stages.gan.lr=fast"], r"stages\.psnr\.lr: given 'fast'"),
        (["data.workers=two"], r"data\.workers: given 'two'"),
        (["data.degrade_in=gpu"], r"data\.degrade_in: given 'gpu'; choose from worker, device"),
        (
            ["callbacks.best.monitor=val/pnsr_y"],
            r"callbacks\.best\.monitor=val/pnsr_y: no such metric; choose from val/psnr_y",
        ),
        (["callbacks.panels.side=0"], r"callbacks\.panels\.side: given 0, wanted a whole number from 8"),
        (["stages.gan.losses=[pixel,adverserial]"], r"loss\.adverserial is no term; nearest: adversarial"),
        (["callbacks.stops.max_time=soon"], r"callbacks\.stops\.max_time: given 'soon', wanted DD:HH:MM:SS"),
        (["data.crop=63"], r"data\.crop=63"),
        (["channels=2"], r"^channels: given 2; choose from 1 .grey., 3 .RGB.$"),
        (["generator.network.channels=4"], r"^channels: given 4; choose from 1"),
        (["channels=0"], r"^channels: given 0; choose from 1"),
        (["discriminator.network.channels=1"], r"^discriminator\.network\.channels: given 1, wanted 3 .*channels=N"),
        (["generator.network.scale=2"], r"^generator\.network\.scale: given 2, wanted 4 .*; scale=N"),
        (["loss.adversarial=0.1"], r"^loss\.adversarial: given 0\.1, wanted loss\.adversarial\.weight=0\.1; its keys"),
        (["name="], r"^name: given nothing, wanted name=VALUE$"),
        (["data.batch_size=0"], r"data\.batch_size: given 0, wanted a whole number from 1"),
        (["data.batch_size=two"], r"data\.batch_size: given 'two'"),
        (["seed=-1"], r"seed: given -1"),
        (["degradation.first.jpeg.quality=[0,200]"], r"degradation\.first\.jpeg\.quality: given 0, wanted"),
        (["resume=nowhere.ckpt"], r"resume=nowhere\.ckpt: no such file"),
    ],
)
def test_bad_input_stops_before_anything_is_written(train, folders, tmp_path, overrides, words):
    with pytest.raises(ValueError, match=words) as caught:
        train([*folders, *TINY, *SHORT, *overrides], tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "psnr" / "checkpoints").exists()


def test_a_stage_that_goes_on_says_that_its_predecessor_was_trained_further(train, whole, tmp_path, capsys):
    overrides, _ = whole
    train([*overrides, "stages.psnr.iterations=2", "stages.gan.iterations=2"], tmp_path)
    train([*overrides, "stage=psnr", "stages.psnr.iterations=3", "stages.gan.iterations=3"], tmp_path)
    assert "another generator" not in capsys.readouterr().out
    train([*overrides, "stages.psnr.iterations=3", "stages.gan.iterations=3"], tmp_path)
    assert "last.ckpt began from another generator than" in capsys.readouterr().out


def test_a_stage_made_longer_and_killed_before_its_end_is_not_taken_for_finished(train, whole, tmp_path, monkeypatch):
    overrides, folder = whole
    train([*overrides, "stage=psnr", "stages.psnr.iterations=2", "stages.gan.iterations=2"], tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("wildsr.stage.save_generator", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train([*overrides, "stage=psnr"], tmp_path)
    train([*overrides, "stage=psnr"], tmp_path)
    results = [load_file(run / "psnr" / "generator.safetensors") for run in (folder, tmp_path)]
    assert same(*results)


def test_a_signal_in_the_last_validation_of_a_stage_stops_before_the_next(train, folders, tmp_path, monkeypatch):
    overrides = [*folders, *TINY, *SHORT, "data.sets.hard=null", "compare=false"]

    def last(self, *_):
        if self.iteration == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(SuperResolution, "on_validation_epoch_start", last)
        with pytest.raises(Interrupted, match=r"PSNR stage stopped after iteration 4 .SIGTERM"):
            train(overrides, tmp_path)
    assert not (tmp_path / "gan").exists()


def test_a_job_put_back_into_the_queue_goes_on_although_its_words_say_never(
    train, whole, tmp_path, monkeypatch, capsys
):
    overrides, folder = whole
    train([*overrides, "stage=psnr", "stages.psnr.iterations=2", "stages.gan.iterations=2"], tmp_path)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    train([*overrides, "resume=never"], tmp_path)
    assert "PSNR stage goes on after iteration 2" in capsys.readouterr().out
    assert_same_end(folder, tmp_path)


def test_a_checkpoint_of_another_architecture_is_one_clear_line(train, whole, tmp_path):
    overrides, folder = whole
    other = folder / "psnr" / "checkpoints" / "last.ckpt"
    with pytest.raises(ValueError, match=r"generator\.network\.features=8, now 6") as caught:
        train([*overrides, "stage=psnr", "generator.network.features=6", f"resume='{other}'"], tmp_path)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_plain_lightning_is_one_clear_line(train, tmp_path):
    torch.save({"iteration": 2, "origin": {}}, tmp_path / "plain.ckpt")
    words = r"plain\.ckpt: .*no checkpoint of wildsr \(made outside a run; generator\.weights=FILE starts from its"
    with pytest.raises(UserError, match=words):
        train([*TINY, "data.val=null", f"resume='{tmp_path / 'plain.ckpt'}'"], tmp_path / "run")


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(train, whole, tmp_path, monkeypatch):
    overrides, _ = whole
    saved = []

    def full(file):
        saved.append(file)
        if len(saved) >= 2:  # it stays full
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        patch.setattr("wildsr.stage.save_generator", lambda *_: None)
        with pytest.raises(OSError, match="No space left"):
            train([*overrides, "stage=psnr"], tmp_path)
    assert not list(tmp_path.rglob("*.part"))


def test_a_checkpoint_of_other_settings_names_the_keys_that_differ(train, whole, tmp_path):
    overrides, folder = whole
    other = folder / "psnr" / "checkpoints" / "last.ckpt"
    changes = ["seed=5", "sharpen=none", "stage=psnr", f"resume='{other}'"]
    with pytest.raises(ValueError, match=r"last\.ckpt was trained with seed=0, now 5; sharpen\.source=True, now False"):
        train([*overrides, *changes], tmp_path)
    assert not (tmp_path / "psnr").exists()


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:1000])


@pytest.mark.parametrize("damage", [flip_a_byte, cut_off])
def test_a_damaged_last_checkpoint_is_passed_over_for_the_one_before(train, whole, tmp_path, capsys, damage):
    overrides, folder = whole
    train([*overrides, "stages.psnr.iterations=3", "stages.gan.iterations=3", "stage=psnr"], tmp_path)
    damage(tmp_path / "psnr" / "checkpoints" / "last.ckpt")
    train(overrides, tmp_path)
    said = capsys.readouterr()
    assert said.out.count("last.ckpt: damaged, or no checkpoint of wildsr") == 1
    assert "goes on after iteration 2 of" in said.out
    assert_same_end(folder, tmp_path)


def test_a_run_whose_checkpoints_are_all_damaged_does_not_start_over(train, whole, tmp_path):
    overrides, _ = whole
    train([*overrides, "stages.psnr.iterations=3", "stages.gan.iterations=3", "stage=psnr"], tmp_path)
    for file in (tmp_path / "psnr" / "checkpoints").iterdir():
        cut_off(file)
    with pytest.raises(ValueError, match="no checkpoint is whole; wanted resume=never"):
        train(overrides, tmp_path)
