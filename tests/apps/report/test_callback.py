"""A real run, small, and the report that it writes as it goes."""

import json
import re

import pytest
import torch

from wildsr.apps.evaluate.crops import read_crops
from wildsr.apps.evaluate.labels import SetContent
from wildsr.apps.report import callback
from wildsr.apps.report.callback import write_origin
from wildsr.apps.report.facts import read_facts
from wildsr.data import MixedSamples, PairedSamples, Photographs, Samples, paired_folders
from wildsr.degradation import DegradationSpec
from wildsr.images import read_image, to_float, to_uint8
from wildsr.networks import CompactNet, load_generator, save_generator

TINY = [
    "generator=tiny", "discriminator.network.features=4", "loss=no_perceptual", "data.crop=64", "data.patch=32",
    "data.batch_size=2", "data.val_recipes=1", "metrics=[psnr_y]", "stages.psnr.iterations=4",
    "stages.gan.iterations=4",
    "stages.psnr.iterations_per_epoch=2", "stages.gan.iterations_per_epoch=2", "trainer.log_every_n_steps=1",
    "data.sets.hard=null",
]  # fmt: skip


@pytest.fixture
def folders(photographs):
    """Photographs to train and be evaluated on, real ones beside them."""
    return [
        "data=folder", f"data.train.root='{photographs}'", f"data.val.root='{photographs}'",
        f"+data.sets.phone={{lq: '{photographs}/more'}}",
    ]  # fmt: skip


def test_a_run_writes_its_report_at_each_validation_and_at_the_end(train, folders, tmp_path, monkeypatch, capsys):
    states = []
    write = callback.write_report

    def look(*arguments, **options):
        text = write(*arguments, **options).read_text()
        states.append(
            (re.search(r"Running: [^.]*\.", text)[0], text.count("data:image/png"), text.count("<small>at iteration"))
        )
        return text

    monkeypatch.setattr(callback, "write_report", look)
    torch.manual_seed(0)
    save_generator(CompactNet(4, features=8, convs=2), tmp_path / "start.pth")
    weights = f"generator.weights='{tmp_path / 'start.pth'}'"
    run = tmp_path / "run"
    train([*folders, *TINY, weights], run)
    assert [state for state, _, _ in states] == [
        f"Running: {stage} stage, iteration {done} of 4." for stage in ("PSNR", "GAN") for done in (2, 4)
    ]
    # Five images: four with LQ, bicubic, HQ and one version a stage; one without HQ.
    assert [images for _, images, _ in states] == [4 * 4 + 3, 4 * 4 + 3, 4 * 5 + 4, 4 * 5 + 4]
    assert [stages for _, _, stages in states] == [1, 1, 2, 2]  # whose latest validation stands in the table
    text = (run / "report.html").read_text()
    assert "Finished: PSNR stage 4 iterations, GAN stage 4 iterations." in text
    assert text.count("data:image/png") == 4 * 6 + 5  # and the starting weights
    facts = read_facts(run / "gan")
    assert (facts.images, facts.job, facts.device) == (4, None, "CPU, 1 thread")
    assert 0 < facts.seconds < 600
    weights_of = load_generator(run / "gan" / "generator.safetensors").parameters()
    assert facts.parameters["generator"] == sum(weight.numel() for weight in weights_of)
    assert facts.sets["main"] == SetContent(4, 1, ["a.png", "b.jpg", "c.webp", "more/d.png"])
    assert f"report:   {run / 'report.html'}" in capsys.readouterr().out
    assert [crop.set for crop in read_crops(run)] == 4 * ["main"] + ["phone"]
    for crop in read_crops(run)[:4]:
        lq = to_float(read_image(run / "crops" / "lq" / crop.file))
        assert crop.window == (0, 0, 4 * lq.shape[1], 4 * lq.shape[2])  # the images are smaller than the window
        for generator, folder in (
            (tmp_path / "start.pth", run / "crops" / "start"),
            (run / "psnr" / "generator.safetensors", run / "psnr" / "crops"),
            (run / "gan" / "generator.safetensors", run / "gan" / "crops"),
        ):
            with torch.no_grad():
                sr = load_generator(generator)(lq[None]).clamp(0, 1)[0]
            # The LQ of a synthetic set is not rounded on its way into the network, unless its recipe ends with JPEG.
            assert (read_image(folder / crop.file).int() - to_uint8(sr).int()).abs().max() <= 1


def test_a_report_that_cannot_be_written_does_not_stop_the_training(train, folders, tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(callback, "write_report", full)
    train([*folders, *TINY, "stage=psnr"], tmp_path / "run")
    assert capsys.readouterr().out.count("warning: the report is not up to date: No space left on device") == 1
    assert (tmp_path / "run" / "report.html").is_file()  # the one at the end


def test_what_a_degradation_draws_is_told_of_photographs_and_not_of_pairs(pairs, tmp_path):
    synthetic = Samples(Photographs(pairs / "hq"), DegradationSpec(), 64, 32, 0)
    found = PairedSamples(paired_folders(pairs / "lq", pairs / "hq", 4), 64, 32, 0)
    for name, samples in (("a", synthetic), ("b", MixedSamples(found, synthetic, 0.5)), ("c", found)):
        write_origin(tmp_path / name, samples)
    assert json.loads((tmp_path / "a" / "degradation.json").read_text())["draws"] == 2000
    assert (tmp_path / "a" / "degradation.json").read_bytes() == (tmp_path / "b" / "degradation.json").read_bytes()
    assert not (tmp_path / "c").exists()
