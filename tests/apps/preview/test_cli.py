import numpy as np
import pytest
import torch
from PIL import Image, ImageColor

from wildsr.apps.common.drawn import drawn_values, numbers_of
from wildsr.apps.preview import cli, figures
from wildsr.apps.preview.figures import OUTSIDE, draw_kernel, draw_kernels, draw_steps
from wildsr.cli import main
from wildsr.config import build, compose_config
from wildsr.degradation import DegradationSpec
from wildsr.degradation.operations import Blur
from wildsr.labels import NUMBERS, number_label


@pytest.mark.parametrize("words", [[], ["--steps"], ["--kernels"], ["--statistics"]])
def test_every_image_is_drawn_and_depends_on_the_overrides(photographs, tmp_path, words):
    images = []
    for overrides in ([], ["degradation=first_order", "kernels=gaussian_only"]):
        sheet = tmp_path / "sheet.png"
        call = ["preview", str(photographs / "a.png"), *overrides, "-n", "2", "-o", str(sheet), *words]
        assert main(call) == 0
        with Image.open(sheet) as image:
            images.append(np.asarray(image))
    assert all(image.shape[1] > 300 for image in images)
    assert images[0].shape != images[1].shape or (images[0] != images[1]).any()


def test_the_sheet_is_the_same_for_the_same_seed(tmp_path):
    for name in ("one.png", "other.png"):
        assert main(["preview", "-o", str(tmp_path / name), "-n", "1", "--side", "64"]) == 0
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()


def test_a_kernels_image_is_brightest_in_the_middle_and_red_below_zero():
    gaussian = np.asarray(draw_kernel(Blur("iso", 21, sigma_x=1.0), 70))
    assert gaussian[35, 35].tolist() == [255, 255, 255]
    assert (gaussian[..., 0] == gaussian[..., 1]).all()
    sinc = np.asarray(draw_kernel(Blur("sinc", 21, cutoff=1.2), 210))
    # Four taps from the middle it is 2 J1(4.8) / 4.8 = -0.1244 of the maximum, and shown four times as bright.
    assert sinc[105, 145].tolist() == [round(255 * 4 * 0.12437), 0, 0]


@pytest.mark.parametrize("words", [["--steps"], ["--kernels"]])
def test_every_operation_is_drawn(tmp_path, words):
    """A degradation of them all, one after the other, as a file of one's own would have it."""
    added = {"motion": "Motion", "defocus": "Defocus", "halo": "Halo", "webp": "Webp", "video": "Video"}
    nodes = [
        f"+degradation.first.{name}={{_target_:wildsr.degradation.operations.{kind}Spec}}"
        for name, kind in added.items()
    ]
    order = "[defocus,motion,blur,resize,halo,noise,jpeg,webp,video]"
    arrangement = f"degradation.first.arrangements=[{{weight:1,order:{order}}}]"
    call = ["preview", *nodes, arrangement, "--side", "64", "-n", "2", "-o", str(tmp_path / "sheet.png"), *words]
    assert main(call) == 0
    spec = build(compose_config([*nodes, arrangement]).degradation, "degradation")
    numbers = numbers_of(spec.draw(np.random.default_rng(0)))
    assert numbers["first.order"] == "defocus, motion, blur, resize, halo, noise, jpeg, webp, video"
    assert {"first.motion.length", "first.defocus.radius", "first.halo.strength", "first.webp.quality",
            "first.video.codec", "first.video.speed"} <= set(numbers)  # fmt: skip
    assert not any(key.endswith("build") for key in numbers)
    assert not [key for key in drawn_values(spec, 100, 0) if key.partition(".")[2] not in NUMBERS]  # each has words
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.height > 500


def test_kernels_of_all_sizes_are_drawn_at_one_scale():
    outside = ImageColor.getrgb(OUTSIDE)
    for size in (7, 13, 21):
        image = np.asarray(draw_kernel(Blur("iso", size, sigma_x=1.0), 210))  # 10 pixels a tap
        assert (image != outside).any(axis=2).sum() == (10 * size) ** 2
        assert (image == 255).all(axis=2).sum() == 10 * 10  # the maximum is one tap
    large = np.asarray(draw_kernel(Blur("iso", 31, sigma_x=1.0), 310))
    assert not (large == outside).all(axis=2).any()


@pytest.fixture
def sheets(monkeypatch):
    """What is laid out, instead of the image: rows, title, heads, names."""
    found = []

    def keep(rows, title="", heads=(), names=()):
        found.append((rows, title, heads, names))
        return Image.new("RGB", (8, 8))

    monkeypatch.setattr(figures, "sheet", keep)
    return found


def test_steps_are_numbered_and_bear_their_order(sheets):
    recipe = DegradationSpec().draw(np.random.default_rng(0))
    hq = torch.zeros(3, 64, 64)
    draw_steps(hq, hq, recipe, "header")
    ((rows, title, _, _),) = sheets
    captions = [caption for row in rows for _, caption in row]
    assert title == "header"
    assert captions[:2] == ["HQ, 64 × 64 px", f"1. 1st order: {recipe.steps[0].record.describe()}\n64 × 64 px"]
    assert len(captions) == 1 + len(recipe.steps)
    assert captions[-1].startswith(f"{len(recipe.steps)}. final: ") and captions[-1].endswith("16 × 16 px, LQ")
    assert any(caption.split(". ")[1].startswith("2nd order: ") for caption in captions[1:])


def test_the_kernels_say_what_their_colours_are(sheets):
    draw_kernels(DegradationSpec(), 2, 0, title="header")
    ((_, title, _, names),) = sheets
    assert title.startswith("header\nKernels on 21 × 21 px. White: ") and "red: negative" in title
    assert names[0].startswith("sinc\n")  # of both blurs, and the final one


def test_the_header_names_the_configuration_the_seed_and_the_scale():
    assert cli.header([], 3, 4) == "degradation=second_order kernels=mixed sharpen=plus · seed 3 · scale 4"
    words = ["degradation=first_order", "scale=2", "degradation.first.jpeg.quality=[30,60]"]
    assert cli.header(words, 0, 2) == (
        "degradation=first_order kernels=mixed sharpen=plus scale=2 degradation.first.jpeg.quality=[30,60] "
        "· seed 0 · scale 2"
    )
    assert cli.header(["experiment=quickstart"], 0, 4).startswith("degradation=second_order kernels=mixed sharpen=none")


def test_numbers_come_in_the_pipelines_order_with_their_units():
    keys = list(drawn_values(DegradationSpec(), 200, 0))
    first = [key for key in keys if key.startswith("first.")]
    assert list(dict.fromkeys(key.split(".")[1] for key in first)) == ["blur", "resize", "noise", "jpeg"]
    assert first[:3] == ["first.blur.kind", "first.blur.size", "first.blur.sigma_x"]
    assert list(dict.fromkeys(key.split(".")[0] for key in keys)) == ["first", "second", "final"]
    assert number_label("first.noise.gaussian strength") == "Gaussian noise σ (8-bit levels)"
    assert number_label("second.posterise.grey_levels") == "posterise grey levels"


def test_a_recipes_numbers_bear_their_place():
    recipe = DegradationSpec().draw(np.random.default_rng(0))
    values = numbers_of(recipe)
    assert values["first.jpeg.quality"] == recipe.records["first.jpeg"].quality
    assert values["first.order"] == "blur, resize, noise, jpeg"
    assert values["final.order"].replace("sinc, ", "").replace(", sinc", "") in ("jpeg, resize", "resize, jpeg")
    assert not any("seed" in key for key in values)


def test_impossible_overrides_are_one_line(tmp_path, capsys):
    assert main(["preview", "-o", str(tmp_path / "x.png"), "degradation.first.jpeg.quality=[95,30]"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: degradation.first.jpeg.quality: given")
    assert error.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_a_photograph_is_not_replaced_by_its_preview(photographs, capsys):
    photo = photographs / "a.png"
    before = photo.read_bytes()
    assert main(["preview", str(photo), "-o", str(photo)]) == 1
    assert capsys.readouterr().err == f"error: {photo} is an input; wanted another --output\n"
    assert photo.read_bytes() == before
