import errno
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from wildsr import io as files
from wildsr.apps.evaluate import html as html_of
from wildsr.apps.evaluate.labels import SetContent
from wildsr.apps.report.facts import Facts, write_facts
from wildsr.apps.report.page import rows_of, write_report
from wildsr.apps.report.runs import read_run
from wildsr.config import compose_config

STYLE = Path(html_of.__file__).parent / "templates" / "style.css"
SCRIPT = "<script>alert('x')</script>"


class Elements(HTMLParser):
    """Every element of a page with its attributes, and what addresses it asks for."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def elements(text):
    return Elements(text).found


def text_of(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_a_report_holds_what_the_run_found(make_run):
    run = make_run(psnr=25.125, words=["experiment=quickstart", "loss.pixel.weight=2", "name=a b"])
    file = write_report(run)
    assert file == run / "report.html"
    text = text_of(file.read_text())
    for words in (
        "Finished: PSNR stage 4 iterations, GAN stage 4 iterations.", "realesr-animevideov3 (start)", "25.12",
        "22.00", "python train.py experiment=quickstart loss.pixel.weight=2 &#39;name=a b&#39;",
        "Gaussian noise σ (8-bit levels)", "Set hard", "1st order: ", "Scale 4", "Seed 0",
        "experiment=quickstart in the GAN stage", "iterations_per_epoch: 50",
        "a.png", "a.png (phone)",
    ):  # fmt: skip
        assert words in text, words
    images = [attributes for tag, attributes in elements(file.read_text()) if tag == "img" and attributes.get("src")]
    assert len(images) == 2 * 5 + 2 * 4  # LQ, bicubic, two stages, HQ; real photographs have no HQ
    assert all(image["src"].startswith("data:image/png;base64,") and image["alt"] for image in images)


def test_the_header_says_what_the_run_was(make_run):
    run = make_run(psnr=25.125)
    for stage, seconds in (("psnr", 125.0), ("gan", 7500.0)):
        sets = {"main": SetContent(2, 4, ["a.png", "b.png"])}
        numbers = {"generator": 621_424, "discriminator": 70_000}
        write_facts(Facts("NVIDIA H100", 2, seconds, numbers, 1234, "0.1.0 (abc)", sets), run / stage)
        (run / stage / "checkpoints").mkdir()
        (run / stage / "checkpoints" / "best.ckpt").touch()
    text = text_of(write_report(run).read_text())
    for words in (
        "Device NVIDIA H100, 2 processes", "Training time PSNR stage 2 min, GAN stage 2 h 5 min",
        "Parameters generator 621,424, discriminator 70,000", "Training images 1,234",
        "Evaluated on Validation images: 2 images × 4 versions", "Code 0.1.0 (abc)",
        "Best checkpoint gan/checkpoints/best.ckpt: PSNR-Y 25.12 at iteration 4",
    ):  # fmt: skip
        assert words in text, words


def test_a_job_of_a_multirun_bears_its_folders_name(make_run):
    run = make_run("ablation=no_sinc", ["name=abl"])
    assert "<title>abl</title>" in write_report(run).read_text()
    write_facts(Facts("CPU", 1, 1.0, {}, 1, "0", job=2), run / "gan")
    assert "<title>abl / ablation=no_sinc</title>" in write_report(run).read_text()


def test_every_chart_names_both_axes(make_run):
    charts = re.findall(r"<svg class=\"chart-area\".*?</svg>", write_report(make_run()).read_text(), re.DOTALL)
    names = [re.search(r"rotate[^>]*>([^<]*)<", chart)[1] for chart in charts]
    assert names == ["PSNR-Y (dB)", "PSNR-Y (dB)", "loss"]  # of the validation images, of the set hard, of training
    assert all(">iteration</text>" in chart for chart in charts)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_a_contrast_of_4_5_and_curves_of_3(scheme):
    """As WCAG 2 defines it: (lighter + 0.05) / (darker + 0.05), of relative luminances."""
    text = STYLE.read_text()
    light, dark = (dict(re.findall(r"(--\w+): (#\w+)", part)) for part in re.findall(r":root \{([^}]*)\}", text))
    colours = light if scheme == "light" else light | dark

    def luminance(colour):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one, other):
        dark, light = sorted((luminance(colours[one]), luminance(colours[other])))
        return (light + 0.05) / (dark + 0.05)

    low = {(ink, on): round(contrast(ink, on), 2) for ink in ("--ink", "--quiet", "--link")
           for on in ("--paper", "--raised", "--faint") if contrast(ink, on) < 4.5}  # fmt: skip
    low |= {tone: contrast(tone, "--paper") for tone in colours
            if re.fullmatch(r"--t\d", tone) and contrast(tone, "--paper") < 3}  # fmt: skip
    assert low == {}


def test_a_report_asks_for_nothing_outside_of_itself(make_run):
    text = write_report(make_run()).read_text()
    for tag, attributes in elements(text):
        assert tag not in ("link", "iframe", "object", "embed", "base", "form"), tag
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert attributes.get(name, "#").startswith(("#", "data:image/")), (tag, attributes[name])
    assert not re.search(r"https?://|@import|url\(", text)
    policy = next(a["content"] for tag, a in elements(text) if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:")
    assert len(text) < 10_000_000


def test_nothing_that_a_run_says_becomes_markup(make_run):
    clean = elements(write_report(make_run()).read_text())
    run = make_run(
        "hostile", [f'name="{SCRIPT}"', f'generator.weights="{SCRIPT}\\"onload=x "'], words=[SCRIPT, "\"'>&"]
    )
    evil = f'{SCRIPT}" onmouseover="x'
    scores = json.loads((run / "scores.json").read_text())
    (run / "scores.json").write_text(json.dumps(scores | {evil: scores["bicubic"]}))
    crops = json.loads((run / "crops" / "crops.json").read_text())
    crops = [crop | {"picture": evil, "recipe": evil} for crop in crops]
    (run / "crops" / "crops.json").write_text(json.dumps(crops))
    drawn = json.loads((run / "degradation.json").read_text())
    drawn["recipes"] = [evil]
    drawn["histograms"][0] |= {"key": evil, "labels": [evil] * len(drawn["histograms"][0]["labels"])}
    (run / "degradation.json").write_text(json.dumps(drawn))
    for stage in ("psnr", "gan"):
        csv = run / stage / "csv" / "version_0" / "metrics.csv"
        csv.write_text(csv.read_text().replace("loss/pixel", f"loss/{SCRIPT}"))
    header = '"set","axis","stratum","images","method","psnr_y"'
    (run / "strata.csv").write_text(f'{header}\n"{SCRIPT}","{SCRIPT}","{SCRIPT}",9,"{SCRIPT}",21\n')
    text = write_report(run).read_text()
    assert text.count("<script") == 1 and text.count("</script") == 1
    assert "&lt;script&gt;" in text
    known = {(tag, name) for tag, attributes in clean for name in attributes}
    assert {(tag, name) for tag, attributes in elements(text) for name in attributes} <= known | {
        ("td", "class"), ("table", "class"), ("details", "open"), ("div", "role"), ("div", "tabindex"),
    }  # fmt: skip


def test_a_run_that_goes_on_says_how_far_it_is(make_run):
    run = make_run()
    text = text_of(write_report(run, running=("gan", 2)).read_text())
    assert "Running: GAN stage, iteration 2 of 4." in text
    (run / "gan" / "generator.safetensors").unlink()
    assert "Not finished: GAN stage, iteration 4 of 4." in text_of(write_report(run).read_text())


def test_a_run_that_goes_on_shows_its_latest_validation_and_a_closed_one_its_scores(make_run):
    folder = make_run(psnr=25.0)
    assert [row.label for row in rows_of(read_run(folder))][-1] == "GAN stage"
    assert rows_of(read_run(folder))[-1].samples == [{"psnr_y": 25.0, "hard/psnr_y": 22.0}]
    running = rows_of(read_run(folder, running=("gan", 4)))
    assert [(row.label, row.note) for row in running[-2:]] == [
        ("PSNR stage", "at iteration 4"),
        ("GAN stage", "at iteration 4"),
    ]
    (folder / "scores.json").write_text(json.dumps({"bicubic": {"psnr_y": 22.0}}))
    (folder / "gan" / "generator.safetensors").unlink()
    assert [row.label for row in rows_of(read_run(folder))] == ["bicubic", "PSNR stage", "GAN stage"]


def test_a_run_that_has_just_begun_has_a_page(make_run, tmp_path):
    run = tmp_path / "new"
    (run / "psnr").mkdir(parents=True)
    (run / "psnr" / "config.yaml").write_text((make_run() / "psnr" / "config.yaml").read_text())
    text = text_of(write_report(run).read_text())
    for words in (
        "No validation yet. The first one comes after 4 iterations",
        "No images yet",
        "No curves yet",
        "iteration 0 of 4",
    ):
        assert words in text
    keys = re.findall(r"(?<=every )[a-z_.]+(?= iterations)|(?<=\()data\.[a-z_.]+", text)
    assert keys == ["data.val", "trainer.log_every_n_steps"]
    assert all(OmegaConf.select(compose_config(["experiment=quickstart"]), key) is not None for key in keys)


def test_a_page_is_written_whole_or_not_at_all(make_run, monkeypatch):
    run = make_run()
    before = write_report(run).read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(run, running=("gan", 2))
    assert (run / "report.html").read_bytes() == before
    assert not [path for path in run.iterdir() if path.name.endswith(".part")]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("scores.json", "{"), ("scores.json", "[]"), ("scores.json", '{"a": {"b": "x"}}'), ("scores.json", '{"a": 1}'),
        ("overrides.json", "{}"), ("gan/config.yaml", "a: [1"), ("crops/crops.json", "{}x"), ("degradation.json", "1"),
        ("gan/training.json", "{}"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named_in_one_line(make_run, file, text):
    run = make_run()
    (run / file).write_text(text)
    with pytest.raises(ValueError, match=f"{file}: damaged") as caught:
        write_report(run)
    assert "\n" not in str(caught.value)
