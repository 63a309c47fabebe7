"""wildsr.upscale gives what the command gives, in the type that it was given."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tifffile
import torch
from PIL import ExifTags, Image, ImageCms

import wildsr
from wildsr.apps.upscale.images.content import ImageContent, encode_content, read_content
from wildsr.cli import main
from wildsr.networks import CompactNet, load_generator, save_generator


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    save_generator(CompactNet(scale=2, features=4, convs=1), tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors"


@pytest.mark.parametrize(
    ("mode", "words", "options"),
    [
        ("RGB", [], {}),
        ("RGB", ["--tile", "48"], {"tile": 48}),
        ("L", ["--max-side", "100"], {"max_side": 100}),
        ("RGBA", ["--alpha", "interpolate", "--scale", "1.5"], {"alpha": "interpolate", "scale": 1.5}),
        ("LA", ["--width", "70", "--height", "50"], {"width": 70, "height": 50}),
        ("I;16", [], {}),
    ],
)
def test_arrays_and_images_become_what_the_command_makes_of_their_file(
    photographs, weights, tmp_path, mode, words, options
):
    with Image.open(photographs / "a.png") as opened:
        if mode == "I;16":
            levels = np.asarray(opened.convert("L")).astype(np.uint16) * 257 + 3
            image = Image.fromarray(levels)
        else:
            image = opened.convert(mode)
            if "A" in mode:
                image.putalpha(opened.convert("L").rotate(90, expand=False))
    image.save(tmp_path / "in.png")
    assert (
        main(["upscale", str(tmp_path / "in.png"), "-o", str(tmp_path / "x.png"), "--weights", str(weights), *words])
        == 0
    )
    with Image.open(tmp_path / "x.png") as made:
        wanted = np.asarray(made)
        large = wildsr.upscale(image, weights, **options)
        assert (type(large), large.mode, large.size) == (Image.Image, image.mode, made.size)
    np.testing.assert_array_equal(np.asarray(large), wanted)
    array = np.asarray(image)
    from_array = wildsr.upscale(array, str(weights), **options)
    assert from_array.dtype == array.dtype
    np.testing.assert_array_equal(from_array, wanted)


def test_16_bits_with_alpha_become_what_the_command_makes_of_their_file(weights, tmp_path):
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 65536, (12, 10, 4)).astype(np.uint16)
    levels[..., 3] = rng.choice([0, 1, 100, 65535], (12, 10))  # 100 is seen, though it would be 0 of 255
    planes = torch.from_numpy(levels.astype(np.float32) / 65535).permute(2, 0, 1)
    (tmp_path / "in.png").write_bytes(encode_content(ImageContent(planes[:3], planes[3:], 16), "PNG"))
    assert main(["upscale", str(tmp_path / "in.png"), "-o", str(tmp_path / "x.png"), "--weights", str(weights)]) == 0
    wanted = read_content(tmp_path / "x.png", "x.png")
    large = wildsr.upscale(levels, weights)
    assert large.dtype == np.uint16
    both = torch.cat([wanted.colour, wanted.alpha]).permute(1, 2, 0)
    np.testing.assert_array_equal(large, (both * 65535).round().numpy())


def test_grey_of_16_bits_whose_white_is_zero_is_read_as_the_command_reads_it(weights, tmp_path):
    levels = np.linspace(0, 65535, 80).reshape(8, 10).astype(np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", 65535 - levels, photometric="miniswhite")
    with Image.open(tmp_path / "in.tif") as opened:
        large = np.asarray(wildsr.upscale(opened, weights))
    np.testing.assert_array_equal(large, wildsr.upscale(levels, weights))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint16])
def test_every_type_comes_back_as_it_went_in(weights, dtype):
    peak = 1 if np.dtype(dtype).kind == "f" else 65535
    image = (np.linspace(0, 1, 12 * 10 * 3).reshape(12, 10, 3) * peak).astype(dtype)
    large = wildsr.upscale(image, weights)
    assert (large.shape, large.dtype) == ((24, 20, 3), dtype)
    assert 0 <= large.min() <= large.max() <= peak
    turned = wildsr.upscale(image[::-1, :, ::-1], weights)  # rows and channels counted backwards
    assert turned.shape == large.shape
    for shape in ((12, 10), (12, 10, 1), (12, 10, 2), (12, 10, 4)):
        grey = np.full(shape, peak, dtype)
        assert wildsr.upscale(grey, weights).shape == (24, 20, *shape[2:])


def test_an_image_of_pillow_is_turned_upright_and_a_palette_becomes_rgb(weights):
    image = Image.new("RGB", (10, 6))
    image.getexif()[ExifTags.Base.Orientation] = 6
    assert wildsr.upscale(image, weights).size == (12, 20)
    assert wildsr.upscale(Image.new("P", (4, 3)), weights).mode == "RGB"


def test_the_colour_profile_of_an_image_of_pillow_is_saved_with_the_result(weights, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (8, 6), (200, 30, 30)).save(tmp_path / "in.png", icc_profile=profile)
    with Image.open(tmp_path / "in.png") as opened:
        wildsr.upscale(opened, weights).save(tmp_path / "out.png")
        grey = opened.convert("L")  # Pillow leaves it the profile of three channels
        assert "icc_profile" not in wildsr.upscale(grey, weights).info
    with Image.open(tmp_path / "out.png") as made:
        assert made.info["icc_profile"] == profile


def test_a_device_is_its_name_or_torchs_object(weights):
    image = np.full((8, 8), 100, np.uint8)
    by_name = wildsr.upscale(image, weights, device="cpu")
    np.testing.assert_array_equal(wildsr.upscale(image, weights, device=torch.device("cpu")), by_name)


def test_a_network_is_taken_too_and_a_file_that_changed_is_read_again(weights):
    image = np.random.default_rng(0).integers(0, 256, (9, 8, 3)).astype(np.uint8)
    first = wildsr.upscale(image, weights)
    np.testing.assert_array_equal(wildsr.upscale(image, load_generator(weights)), first)
    torch.manual_seed(1)
    save_generator(CompactNet(scale=2, features=4, convs=1), weights)
    os.utime(weights, ns=(1, 1))
    assert not np.array_equal(wildsr.upscale(image, weights), first)


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        ("photo.png", TypeError, "a str given, wanted a NumPy array"),
        (torch.zeros(3, 8, 8), TypeError, "a Tensor given"),
        (np.zeros((3, 8, 9), np.uint8), ValueError, r"shape \(3, 8, 9\), wanted \(H, W\) or \(H, W, C\)"),
        (np.zeros((0, 8, 3), np.uint8), ValueError, r"shape \(0, 8, 3\)"),
        (np.zeros(8, np.uint8), ValueError, r"shape \(8,\)"),
        (np.full((8, 8), 255.0), ValueError, "values from 255 to 255, wanted floats from 0 to 1"),
        (np.full((8, 8), np.nan), ValueError, "values from nan to nan"),
        (np.zeros((8, 8), np.int64), ValueError, "an array of int64; wanted uint8, uint16, or floats"),
        (np.zeros((8, 8), bool), ValueError, "an array of bool"),
        (Image.new("F", (8, 8)), ValueError, "an image of mode F; wanted 8 or 16 bits a channel"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(weights, image, error, words):
    with pytest.raises(error, match=words) as caught:
        wildsr.upscale(image, weights)
    assert "\n" not in str(caught.value)


def test_other_wrong_arguments_are_refused_in_one_line(weights):
    image = np.zeros((8, 8), np.uint8)
    for options, words in [
        ({"device": "gpu"}, "device 'gpu'; choose from cpu"),
        ({"backend": "tpu"}, "backend 'tpu'; choose from"),
        ({"alpha": "drop"}, "alpha 'drop'; choose from network, interpolate"),
        ({"width": 0}, "width 0: wanted a number above 0"),
        ({"scale": -1}, "scale -1: wanted a number above 0"),
        ({"tile": 0}, "tile 0: wanted a whole number of at least 1"),
        ({"scale": 2, "max_side": 8}, "scale and max_side: wanted one of them"),
    ]:
        with pytest.raises(ValueError, match=words):
            wildsr.upscale(image, weights, **options)
    with pytest.raises(ValueError, match="a Linear without `scale` and `channels`"):
        wildsr.upscale(image, torch.nn.Linear(1, 1))


def test_importing_wildsr_loads_neither_torch_nor_an_app():
    code = (
        "import sys, wildsr; assert 'upscale' in wildsr.__all__ and not hasattr(wildsr, 'nothing');"
        "print([name for name in sys.modules if name in ('torch', 'numpy', 'wildsr.apps')])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
