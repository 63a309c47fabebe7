"""What wandb is told of a run, read back from the files of an offline run."""

import json
import re
import struct

import pytest
import wandb
from lightning.pytorch.loggers import CSVLogger
from PIL import Image
from wandb.proto.wandb_internal_pb2 import Record

from wildsr.data import validation_set
from wildsr.scores import METRICS, MetricDisplay
from wildsr.training import Panels, wandb_logger
from wildsr.training.loggers import define_scores, finish
from wildsr.training.panels import padded


@pytest.fixture(autouse=True)
def without_a_key(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))  # no key of the user's
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    yield
    wandb.finish()  # of a test that failed


def records(folder):
    """Read the records of an offline run: LevelDB's log format, blocks of 32 KiB, behind a header of 7 bytes."""
    (file,) = folder.glob("*.wandb")
    content, place, parts = file.read_bytes(), 7, b""
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        _, size, kind = struct.unpack("<IHB", content[place : place + 7])
        parts += content[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or its last part
            yield Record.FromString(parts)
            parts = b""


def test_a_run_is_a_group_its_stages_are_told_apart_by_job_type_and_what_differs_is_a_tag(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    alone = wandb_logger(str(tmp_path / "alone" / "gan"), "wildsr", "quickstart")._wandb_init
    assert (alone["group"], alone["job_type"], alone["tags"]) == ("quickstart", "gan", [])
    assert alone["name"] == "quickstart/gan"
    one = wandb_logger(str(tmp_path / "no_sinc" / "psnr"), "wildsr", "quickstart", ["ablation=no_sinc"])._wandb_init
    assert (one["group"], one["job_type"]) == ("quickstart/ablation=no_sinc", "psnr")
    assert one["tags"] == ["ablation=no_sinc"]
    assert one["name"] == "quickstart/ablation=no_sinc/psnr"


def test_the_summary_keeps_the_best_of_each_score_and_the_start_is_without_a_warning(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("WANDB_MODE", "offline")
    displays = {"psnr_y": METRICS["psnr_y"], "niqe": METRICS["niqe"], "own": MetricDisplay("own", "", 4)}
    logger = wandb_logger(str(tmp_path / "gan"), "wildsr", "quickstart")
    define_scores([logger, CSVLogger(tmp_path)], ["main", "hard"], displays)
    logger.log_metrics({"val/psnr_y": 20.0, "val/niqe": 9.0}, step=1)
    finish([logger])
    wandb.teardown()  # now all is written
    assert "WARN" not in "".join(capfd.readouterr())
    defined = {record.metric.name: record.metric for record in records(next((tmp_path / "gan").rglob("offline-run-*")))}
    goals = {name: (m.summary.max, m.summary.min) for name, m in defined.items() if name.startswith("val/")}
    highest, lowest = (True, False), (False, True)
    sets = ("val/", "val/hard/")
    assert goals == {f"{s}{name}": goal for s in sets for name, goal in (("psnr_y", highest), ("niqe", lowest))}
    assert defined["val/niqe"].step_metric == "trainer/global_step"


def test_images_of_one_key_have_one_size_as_wandb_wants_them():
    images = padded([Image.new("RGB", size, "red") for size in ((30, 10), (20, 40))])
    assert [image.size for image in images] == [(30, 40), (30, 40)]
    assert [image.getpixel((25, 5)) for image in images] == [(255, 0, 0), (255, 255, 255)]


def test_each_validation_image_says_its_name_and_its_scores_beside_bicubic_s(
    data, adversarial, trainer, photographs, tmp_path
):
    logger = wandb_logger(str(tmp_path / "gan"), "wildsr", "test")
    sets = {"main": validation_set(4, hq=photographs, recipes=2), "hard": validation_set(4, lq=photographs)}
    panels = Panels(tmp_path / "panels", images=2)
    module = adversarial()
    trainer(1, panels, logger=[logger]).fit(module, data(val=sets, iterations_per_epoch=1))
    finish([logger])
    wandb.teardown()  # now all is written
    kept = records(next((tmp_path / "gan" / "wandb").glob("offline-run-*")))
    items = [item for record in kept for item in record.history.item if item.nested_key[:1] == ["panels"]]
    (captions,) = [json.loads(item.value_json) for item in items if item.nested_key[1:] == ["captions"]]
    scored = r"a\.png{}: PSNR-Y \d+\.\d\d dB, bicubic \d+\.\d\d dB"
    assert re.fullmatch(scored.format(""), captions[0]) and re.fullmatch(scored.format(", version 2"), captions[1])
    assert captions[2] == "a.png (hard)"  # a real photograph, which has no HQ
