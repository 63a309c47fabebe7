"""Make before_after.jpg, the image of the README.

    python docs/images/make.py

Two photographs that scikit-image carries (chelsea: Stefan van der Walt, CC0; coffee: Rachel Michetti, CC0) are
shrunk to a quarter by area and saved as JPEG of quality 40, as web pages and messengers do; then enlarged by bicubic
interpolation, and by realesrgan-x4plus, the released network. Nothing else is done to them.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from skimage import data

import wildsr

WIDTH, HEIGHT = 400, 300  # of a cell
WINDOWS = {"chelsea": (0, 20), "coffee": (60, 160)}  # the upper left corners, row and column
HEADS = ("input, as a web page has it", "bicubic", "realesrgan-x4plus", "the photograph")


def main() -> None:
    font = ImageFont.load_default(18)
    sheet = Image.new("RGB", (len(HEADS) * (WIDTH + 4) - 4, 30 + len(WINDOWS) * (HEIGHT + 4)), "white")
    draw = ImageDraw.Draw(sheet)
    for column, head in enumerate(HEADS):
        draw.text((column * (WIDTH + 4) + WIDTH / 2, 15), head, "black", font, anchor="mm")
    for row, (name, (top, left)) in enumerate(WINDOWS.items()):
        pixels = getattr(data, name)()
        window = pixels[top:, left:][: (len(pixels) - top) // 4 * 4, :]
        photograph = Image.fromarray(np.ascontiguousarray(window[:, : window.shape[1] // 4 * 4]))
        small = photograph.reduce(4)
        file = io.BytesIO()
        small.save(file, "JPEG", quality=40)
        lq = Image.open(file).convert("RGB")
        results = (
            lq.resize(photograph.size, Image.Resampling.NEAREST),
            lq.resize(photograph.size, Image.Resampling.BICUBIC),
            wildsr.upscale(lq, "realesrgan-x4plus"),
            photograph,
        )
        for column, result in enumerate(results):
            sheet.paste(result.crop((0, 0, WIDTH, HEIGHT)), (column * (WIDTH + 4), 30 + row * (HEIGHT + 4)))
    sheet.save(Path(__file__).with_name("before_after.jpg"), quality=88, optimize=True)


if __name__ == "__main__":
    main()
