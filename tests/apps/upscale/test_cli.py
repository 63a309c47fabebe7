"""What `wildsr upscale` promises for one call; how results are called is in tests/upscale/test_jobs.py."""

import io
import os
import sys
import zlib

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from wildsr.apps.upscale.images.content import ImageContent, encode_content, read_content
from wildsr.cli import main
from wildsr.images import read_image
from wildsr.networks import CompactNet, save_generator


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_16_bits_grey_and_alpha_go_through(run, tmp_path):
    rng = np.random.default_rng(0)
    planes = torch.from_numpy(rng.integers(0, 65536, (2, 12, 16)).astype(np.float32) / 65535)
    (tmp_path / "in.png").write_bytes(encode_content(ImageContent(planes[:1], planes[1:], 16), "PNG"))
    assert run(tmp_path / "in.png", "-o", tmp_path / "out.png")[0] == 0
    large = read_content(tmp_path / "out.png", "out")
    assert (large.bits, large.colour.shape, large.alpha.shape) == (16, (1, 24, 32), (1, 24, 32))
    assert len(np.unique((large.colour * 65535).round())) > 256


def test_a_network_whose_tiles_show_goes_whole_unless_tiles_are_asked_for(photographs, tmp_path, monkeypatch, capsys):
    pytest.importorskip("spandrel")
    from spandrel.architectures.RCAN import RCAN

    monkeypatch.setattr("wildsr.networks.overlap.FOLDER", tmp_path / "overlaps")
    torch.manual_seed(0)
    state = RCAN(scale=2, n_resgroups=1, n_resblocks=2, n_feats=16, reduction=4).state_dict()
    for name, weight in state.items():  # what is pooled over the whole image counts little before training
        weight *= 5 if "conv_du" in name and name.endswith("weight") else 1
    torch.save(state, tmp_path / "a.pth")
    call, images = ["upscale", str(photographs / "a.png"), "--weights", str(tmp_path / "a.pth"), "-o"], {}
    for name, words in {"whole.png": [], "tiles.png": ["--tile", "24"]}.items():
        assert main([*call, str(tmp_path / name), *words]) == 0
        images[name] = read_image(tmp_path / name).int()
        said = capsys.readouterr().err
        assert ("--tile 24: this network's tiles may show their seams" in said) == ("--tile" in words)
        assert ("RCAN: no overlap is enough" in said) == ("--tile" in words)  # not measured where it need not be
    assert not torch.equal(images["whole.png"], images["tiles.png"])


def test_the_tile_does_not_show(run, photographs, tmp_path):
    source = photographs / "a.png"
    for name, words in {
        "whole.png": [],
        "tiles.png": ["--tile", "24"],
        "batches.png": ["--tile", "24", "--batch", 5],
    }.items():
        assert run(source, "-o", tmp_path / name, *words)[0] == 0
    whole = read_image(tmp_path / "whole.png").int()
    for name in ("tiles.png", "batches.png"):
        assert int((read_image(tmp_path / name).int() - whole).abs().max()) <= 1


def test_an_image_passes_from_the_standard_input_to_the_standard_output(photographs, weights, monkeypatch, capfdbinary):
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO((photographs / "b.jpg").read_bytes()), encoding="utf-8")
    )
    assert main(["upscale", "-", "-o", "-", "--format", "webp", "--weights", weights]) == 0
    with Image.open(io.BytesIO(capfdbinary.readouterr().out)) as picture:
        assert (picture.format, picture.size) == ("WEBP", (384, 320))


def test_names_with_spaces_brackets_dashes_and_of_any_script_are_taken(run, photographs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [
        "-dash.png", "two words.png", "[red]bold[green].png", "[[].png", "größe 猫.png",
        "a\nb.png", "\udcff.png", "é" * 120 + ".png",
    ]  # fmt: skip
    (tmp_path / "odd").mkdir()
    for name in names:
        (tmp_path / "odd" / name).write_bytes((photographs / "a.png").read_bytes())
    code, _, said = run("odd", "-o", "out")
    assert code == 0, said
    assert files(tmp_path / "out") == sorted(names)
    (tmp_path / "-dash.png").write_bytes((photographs / "a.png").read_bytes())
    assert run("-o", "one.png", "./-dash.png")[0] == 0
    assert main(["upscale", "-o=-two.png", "--weights", str(tmp_path / "small.safetensors"), "--", "-dash.png"]) == 0
    assert (tmp_path / "-two.png").exists()


def test_damaged_images_are_named_each_in_a_line_and_the_others_done(run, photographs, tmp_path):
    content = (photographs / "a.png").read_bytes()
    (photographs / "cut.png").write_bytes(content[: len(content) // 2])
    (photographs / "empty.jpg").write_bytes(b"")
    (photographs / "text.webp").write_text("no picture")
    (photographs / "a\nb.tif").write_bytes(b"II*\0")
    code, said, errors = run(photographs, "-o", tmp_path / "out")
    assert code == 1
    assert files(tmp_path / "out") == ["a.png", "b.png", "c.png", "more/d.png"]
    for name in ("cut.png", "empty.jpg", "text.webp", "a\\nb.tif"):
        assert len([line for line in errors.splitlines() if f"{name}: not a readable image" in line]) == 1
    assert "4 of 8 upscaled" in said
    assert "4 of 8 images failed" in errors


def test_images_of_one_name_and_two_formats_are_both_done_and_said(run, photographs, tmp_path):
    (photographs / "a.jpg").write_bytes((photographs / "b.jpg").read_bytes())
    code, _, said = run(photographs, "-o", tmp_path / "out")
    assert code == 0
    assert files(tmp_path / "out") == ["a_jpg.png", "a_png.png", "b.png", "c.png", "more/d.png"]
    assert "2 images have names that differ in the format alone" in said
    for name, source in {"a_png.png": "a.png", "a_jpg.png": "a.jpg"}.items():
        assert run(photographs / source, "-o", tmp_path / "one.png", "--overwrite")[0] == 0
        assert torch.equal(read_image(tmp_path / "one.png"), read_image(tmp_path / "out" / name))


def test_two_results_of_one_name_are_refused_before_any_work(run, photographs, tmp_path):
    (photographs / "more" / "a.png").write_bytes((photographs / "a.png").read_bytes())
    code, _, said = run(photographs / "a.png", photographs / "more" / "a.png", "-o", tmp_path / "out")
    assert (code, said.count("\n")) == (1, 1)
    assert f"more/a.png would both be written to {tmp_path / 'out' / 'a_png.png'}" in said
    assert not (tmp_path / "out").exists()


def test_a_folders_other_files_are_counted_by_reason(run, photographs, tmp_path):
    for name in ("notes.txt", "more/list.txt", "clip.mp4", ".DS_Store", "README", "more/.hidden.png"):
        (photographs / name).write_bytes(b"")
    code, said, _ = run(photographs, "-o", tmp_path / "out")
    assert code == 0
    assert "4 of 4 upscaled; left out: 2 .txt, 2 hidden, 1 .mp4 (one video a call), 1 without a suffix" in said


def test_without_an_output_results_lie_beside_the_inputs_and_are_no_inputs_of_the_next_call(run, photographs):
    assert run(photographs / "a.png")[0] == 0
    assert read_image(photographs / "a_x2.png").shape == (3, 320, 384)
    code, said, _ = run(photographs, "--skip-existing")
    assert code == 0
    assert "beside the inputs: 3 of 4 upscaled; 1 skipped (already exists); left out: 1 from an earlier call" in said
    assert files(photographs) == [
        "a.png", "a_x2.png", "b.jpg", "b_x2.png", "c.webp", "c_x2.png", "more/d.png", "more/d_x2.png",
    ]  # fmt: skip
    code, _, said = run(photographs)
    assert code == 1 and "already exists (use --overwrite or --skip-existing)" in said


@pytest.mark.parametrize(
    ("words", "name", "size"),
    [
        (["--scale", "1.5"], "a_x1.5.png", (240, 288)),
        (["--width", "96"], "a_w96.png", (80, 96)),
        (["--height", "40"], "a_h40.png", (40, 48)),
        (["--width", "50", "--height", "60"], "a_50x60.png", (60, 50)),
        (["--max-side", "500"], "a_max500.png", (417, 500)),
        (["--max-side", "500", "--suffix", "_big"], "a_big.png", (417, 500)),
    ],
)
def test_the_size_that_was_asked_for_is_reached_and_stands_in_the_name(run, photographs, words, name, size):
    assert run(photographs / "a.png", *words)[0] == 0
    assert read_image(photographs / name).shape[1:] == size


def test_results_that_are_there_are_skipped_untouched(run, photographs, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_bytes(b"mine")
    code, said, _ = run(photographs, "-o", tmp_path / "out", "--skip-existing")
    assert (code, (tmp_path / "out" / "a.png").read_bytes()) == (0, b"mine")
    assert "3 of 4 upscaled; 1 skipped (already exists)" in said
    code, said, _ = run(photographs, "-o", tmp_path / "out", "--skip-existing")
    assert code == 0 and "0 of 4 upscaled; 4 skipped (already exists)" in said


def test_quality_and_lossless_decide_what_the_encoder_keeps(run, photographs, tmp_path):
    call = (photographs / "a.png", "-o")
    for name, words in {"plain.png": (), "50.jpg": ("--quality", 50), "usual.jpg": (), "usual.webp": ()}.items():
        assert run(*call, tmp_path / name, *words)[0] == 0
    assert run(*call, tmp_path / "all.webp", "--lossless")[0] == 0
    assert (tmp_path / "50.jpg").stat().st_size < 0.5 * (tmp_path / "usual.jpg").stat().st_size
    plain = read_image(tmp_path / "plain.png")
    assert torch.equal(read_image(tmp_path / "all.webp"), plain)
    assert not torch.equal(read_image(tmp_path / "usual.webp"), plain)


def test_lossless_webp_keeps_colours_under_full_transparency(run, tmp_path):
    Image.new("RGBA", (8, 8), (250, 100, 50, 0)).save(tmp_path / "clear.png")
    for name in ("a.png", "a.webp"):
        assert run(tmp_path / "clear.png", "-o", tmp_path / name, *["--lossless"] * name.endswith("webp"))[0] == 0
    colours = [read_content(tmp_path / name, name).colour for name in ("a.png", "a.webp")]
    assert float(colours[0].max()) > 0 and torch.equal(*colours)


def test_a_background_takes_the_place_of_alpha(run, tmp_path):
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "logo.png")
    assert run(tmp_path / "logo.png", "-o", tmp_path / "ground.png", "--background", "ff8000")[0] == 0
    Image.new("RGB", (8, 8), (255, 128, 0)).save(tmp_path / "orange.png")
    assert run(tmp_path / "orange.png", "-o", tmp_path / "wanted.png")[0] == 0
    assert torch.equal(read_image(tmp_path / "ground.png"), read_image(tmp_path / "wanted.png"))
    assert read_content(tmp_path / "ground.png", "").alpha is None
    assert run(tmp_path / "logo.png", "-o", tmp_path / "ground.jpg", "--background", "white")[0] == 0


def test_of_a_damaged_image_what_can_be_decoded_is_enlarged_if_asked_for(run, photographs, tmp_path):
    content = (photographs / "b.jpg").read_bytes()
    (photographs / "b.jpg").write_bytes(content[: len(content) // 2])
    (photographs / "empty.jpg").write_bytes(b"")
    code, _, errors = run(photographs, "-o", tmp_path / "out", "--on-damage", "read")
    assert code == 1  # of an empty file nothing can be decoded
    assert files(tmp_path / "out") == ["a.png", "b.png", "c.png", "more/d.png"]
    assert "b.jpg: damaged (image file is truncated" in errors
    assert "empty.jpg: not a readable image" in errors
    rows = read_image(tmp_path / "out" / "b.png").float()[..., 8:-8:2].std(dim=2)  # of one phase of the two
    assert bool((rows[:, 8] > 5).all() and (rows[:, -8] < 1).all())  # whole above, grey below
    assert run(photographs / "b.jpg", "-o", tmp_path / "b.png")[0] == 1  # without the option it is refused again


def test_stripped_results_keep_the_colour_profile_alone(run, tmp_path):
    exif, profile = Image.Exif(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif[ExifTags.Base.Make] = "Maker"
    Image.new("RGB", (8, 8)).save(tmp_path / "in.jpg", exif=exif, icc_profile=profile, dpi=(300, 300), xmp=b"<x/>")
    assert run(tmp_path / "in.jpg", "-o", tmp_path / "kept.png")[0] == 0
    assert run(tmp_path / "in.jpg", "-o", tmp_path / "out.png", "--strip")[0] == 0
    kept, stripped = (read_content(tmp_path / name, name).metadata for name in ("kept.png", "out.png"))
    assert kept.exif[ExifTags.Base.Make] == "Maker" and kept.xmp
    assert (stripped.icc, len(stripped.exif), stripped.xmp, stripped.dpi) == (profile, 0, b"", None)


def test_the_speed_of_a_sheet_is_in_megapixels_of_the_result(run, weights, photographs, tmp_path, monkeypatch):
    amounts = []
    monkeypatch.setattr("wildsr.apps.upscale.cli.Bar.advance", lambda bar, share, amount: amounts.append(amount))
    words = ["--blend", weights, "--strengths", "0,1"]
    assert run(photographs / "a.png", "-o", tmp_path / "sheet.png", *words)[0] == 0
    assert amounts == [pytest.approx(256 * 256 / 1e6)] * 2


def test_an_output_inside_the_input_folder_does_not_feed_itself(run, photographs):
    assert run(photographs, "-o", photographs / "large")[0] == 0
    assert run(photographs, "-o", photographs / "large", "--overwrite")[0] == 0
    assert files(photographs / "large") == ["a.png", "b.png", "c.png", "more/d.png"]
    assert run(photographs, "-o", photographs, "--suffix", "_x2")[0] == 0
    assert run(photographs, "-o", photographs, "--suffix", "_x2", "--overwrite")[0] == 0
    assert not [name for name in files(photographs) if "_x2_x2" in name]


def test_an_input_is_never_overwritten(run, photographs):
    before = (photographs / "a.png").read_bytes()
    code, _, said = run(photographs / "a.png", "-o", photographs, "--overwrite")
    assert (code, said.count("\n")) == (1, 1)
    assert "a.png is an input" in said
    assert (photographs / "a.png").read_bytes() == before


def test_of_several_frames_the_first_is_taken_and_a_line_says_so(run, tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    code, _, said = run(tmp_path / "moving.webp", "-o", tmp_path / "out.png")
    assert code == 0
    assert "moving.webp: 2 frames or pages; the first is taken" in said


def test_alpha_that_the_format_cannot_hold_is_refused_and_nothing_written(run, tmp_path):
    Image.new("RGBA", (8, 8), (1, 2, 3, 4)).save(tmp_path / "logo.png")
    code, _, said = run(tmp_path / "logo.png", "-o", tmp_path / "out.jpg")
    assert code == 1
    assert "logo.png: it has alpha, which JPEG cannot hold; choose from png, webp, tif, avif" in said
    assert not (tmp_path / "out.jpg").exists()


def test_a_result_larger_than_memory_is_refused_and_the_others_done(run, photographs, tmp_path, monkeypatch):
    monkeypatch.setattr("wildsr.apps.upscale.enlarging.free_memory", lambda device: 2**20)
    Image.new("RGB", (8, 8)).save(photographs / "tiny.png")
    code, _, errors = run(photographs, "-o", tmp_path / "out")
    assert code == 1
    assert "a.png: the result of 384 x 320 pixels would take" in errors
    assert files(tmp_path / "out") == ["tiny.png"]


def test_a_result_whose_name_is_too_long_is_named_and_the_others_done(run, photographs, tmp_path):
    long = "x" * 251 + ".png"  # 255 bytes, as many as a name can have
    (photographs / "a.png").rename(photographs / long)
    code, _, errors = run(photographs, "-o", tmp_path / "out", "--format", "webp")
    assert code == 1
    assert f"{long.removesuffix('.png')}.webp: File name too long" in errors
    assert files(tmp_path / "out") == ["b.webp", "c.webp", "more/d.webp"]


def test_a_full_disk_stops_in_one_line_and_leaves_no_part_of_a_file(run, photographs, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    code, _, said = run(photographs, "-o", tmp_path / "out")
    assert code == 1
    assert f"{tmp_path / 'out' / 'a.png'}: No space left on device" in said
    assert files(tmp_path / "out") == []


def test_two_networks_are_blended_and_a_sheet_compares_strengths(run, weights, photographs, tmp_path):
    torch.manual_seed(1)
    second = tmp_path / "b=2.safetensors"
    save_generator(CompactNet(scale=2, features=4, convs=1), second)
    results = {}
    for share in ("0", "0.5", "1"):
        assert run(photographs / "a.png", "-o", tmp_path / f"{share}.png", "--blend", f"{second}={share}")[0] == 0
        results[share] = read_image(tmp_path / f"{share}.png")
    assert run(photographs / "a.png", "-o", tmp_path / "plain.png")[0] == 0
    assert torch.equal(results["0"], read_image(tmp_path / "plain.png"))
    assert not torch.equal(results["0.5"], results["0"]) and not torch.equal(results["0.5"], results["1"])
    sheet = tmp_path / "sheet.png"
    assert run(photographs / "a.png", "-o", sheet, "--blend", second, "--strengths", "0,0.5,1")[0] == 0
    assert read_image(sheet).shape[2] > 3 * 256


def test_networks_that_cannot_be_blended_are_refused_in_one_line(run, photographs, tmp_path):
    save_generator(CompactNet(scale=2, features=4, convs=2), tmp_path / "other.pth")
    code, _, said = run(photographs / "a.png", "-o", tmp_path / "x.png", "--blend", f"{tmp_path / 'other.pth'}=0.5")
    assert (code, said.count("\n")) == (1, 1)
    assert "CompactNet of 4 features, 2 convolutions (x2, 3 channels) cannot be blended with" in said
    assert "other.pth with " in said


def test_half_precision_is_close(run, photographs, tmp_path):
    assert run(photographs / "a.png", "-o", tmp_path / "full.png")[0] == 0
    assert run(photographs / "a.png", "-o", tmp_path / "half.png", "--half")[0] == 0
    full, half = (read_image(tmp_path / name).int() for name in ("full.png", "half.png"))
    assert 0 < int((full - half).abs().max()) <= 3


def test_any_scale_is_reached(run, photographs, tmp_path):
    assert run(photographs / "a.png", "-o", tmp_path / "x.png", "--scale", "1.3")[0] == 0
    assert read_image(tmp_path / "x.png").shape == (3, 208, 250)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--scale", "nan"], "'nan' given, wanted a number from 0.01 to 100"),
        (["--scale", "0"], "wanted a number from 0.01 to 100"),
        (["--alpha", "drop"], "given 'drop'; choose from"),
        (["--format", "gif"], "given 'gif'; choose from"),
        (["--blend", "b.pth"], "--blend b.pth: wanted a strength from 0 to 1 after it, such as b.pth=0.5"),
        (["--blend", "b.pth=1.5"], "'1.5' given, wanted a number from 0 to 1"),
        (["--strengths", "0,1"], "--strengths wants the second network"),
        (["--strengths", "0,2", "--blend", "b.pth"], "'2' given, wanted a number from 0 to 1"),
        (["--suffix", "a/b"], "--suffix a/b: wanted a part of a name"),
        (["--crf", "20"], "--crf 20 is of videos, and no input is one"),
        (["a.mp4", "--format", "png"], "--format png is of images; a video's kind is that of the output's name"),
        (["--crf", "52"], "--crf 52: wanted 0 to 51 for h264"),
        (["--crf", "-1", "--codec", "av1"], "--crf -1: wanted 0 to 63 for av1"),
        (["--device", "gpu"], "device 'gpu'; choose from cpu, cuda, cuda:N (such as cuda:1), mps"),
        (["--device", "cuda:999"], "device cuda:999: torch finds "),
        (["--device", "cpu", "--width", "0"], "'0' given, wanted a whole number of at least 1"),
        (["--width", "10", "--scale", "2"], "--scale and --width: wanted one of them"),
        (["--width", "10", "--max-side", "9"], "--width and --max-side: wanted one of them"),
        (["--quality", "0"], "'0' given, wanted a whole number from 1 to 100"),
        (["--quality", "90"], "--quality 90: PNG has none; choose from jpg, webp, avif"),
        (["--lossless", "-o", "x.jpg"], "--lossless: JPEG has no lossless form here; choose from png, webp, tif, bmp"),
        (["--lossless", "--quality", "9", "-o", "x.webp"], "--quality 9: --lossless has none"),
        (["--background", "reddish"], "'reddish' given, wanted a colour such as white or ffcc00"),
        (["--background", "#ff000080"], "'#ff000080' given, wanted a colour"),
        (["--on-damage", "cry"], "given 'cry'; choose from"),
        (["--overwrite", "--skip-existing"], "not allowed with argument"),
        (["a.mp4", "--quality", "90"], "--quality is of images; a video has --crf"),
        (["a.mp4", "--strip"], "--strip is of images, and a.mp4 is a video"),
        (["a.mp4", "--on-damage", "read"], "--on-damage is of images, and a.mp4 is a video"),
        (["a.mp4", "--max-pixels", "9"], "--max-pixels is of images, and a.mp4 is a video"),
        (["--strengths", "0,1", "--blend", "b.pth", "--scale", "2"], "--scale is of results, and --strengths makes"),
        (["--tile", "0"], "'0' given, wanted a whole number of at least 1"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(tmp_path, words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["upscale", "a.png", "-o", str(tmp_path / "x.png"), *words])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_too_many_pixels_are_refused_with_size_limit_and_option_and_allowed_by_it(run, photographs, tmp_path):
    source = photographs / "a.png"  # 192 x 160
    code, _, err = run(source, "-o", tmp_path / "x.png", "--max-pixels", 30_000)
    assert code == 1
    assert (
        f"error: {source}: 192 x 160 pixels, 30,720 in all, more than the 30,000 allowed; --max-pixels takes more"
        in err
    )
    assert run(source, "-o", tmp_path / "x.png", "--max-pixels", 30_720)[0] == 0


def test_a_default_limit_of_pixels_names_the_option_too(run, photographs, tmp_path, monkeypatch):
    monkeypatch.setattr("wildsr.images.limits.ALWAYS", 100)
    monkeypatch.setattr("wildsr.images.limits.free_ram", lambda: 640_000)
    err = run(photographs / "a.png", "-o", tmp_path / "x.png")[2]
    assert (
        "192 x 160 pixels, 30,720 in all, more than the 10,000 that the free memory has room for; --max-pixels" in err
    )
    assert run(photographs / "a.png", "-o", tmp_path / "x.png", "--max-pixels", 10**6)[0] == 0


def test_one_line_says_which_metadata_a_format_has_no_place_for(run, tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a cat")
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png", pnginfo=info)
    code, _, err = run(tmp_path / "a.png", "-o", tmp_path / "x.jpg")
    assert code == 0
    assert err.count("has no place for") == 1
    assert f"{tmp_path / 'a.png'}: JPEG has no place for its text (parameters)" in err
    assert "has no place" not in run(tmp_path / "a.png", "-o", tmp_path / "x.png")[2]
    with Image.open(tmp_path / "x.png") as image:
        assert image.text == {"parameters": "a cat"}


def test_workflows_of_image_generators_go_through(run, tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", "x" * 1_500_000, zip=True)
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png", pnginfo=info)
    assert run(tmp_path / "a.png", "-o", tmp_path / "x.png")[0] == 0
    chunks = read_content(tmp_path / "x.png", "x").metadata.chunks
    assert [len(zlib.decompress(content.partition(b"\0\0")[2])) for _, content in chunks] == [1_500_000]


def test_stripped_results_keep_the_colours_that_a_png_declares_and_lose_its_texts(run, tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a cat")
    info.add(b"gAMA", (100_000).to_bytes(4))
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png", pnginfo=info)
    code, _, said = run(tmp_path / "a.png", "-o", tmp_path / "x.png", "--strip")
    assert code == 0 and "has no place" not in said
    assert read_content(tmp_path / "x.png", "x").metadata.chunks == ((b"gAMA", (100_000).to_bytes(4)),)
