"""What pages, terminals and dashboards call stages, images of validation sets, orders and drawn numbers."""

from __future__ import annotations

import re

from wildsr.scores import MAIN

STAGES = {"psnr": "PSNR", "gan": "GAN"}  # as papers write them
ORDERS = {"first": "1st order", "second": "2nd order"}  # every other order bears its own name
NUMBERS = {  # what the operations of the package draw, and its unit, in the order in which pages show it
    "order": "order of operations",
    "blur.kind": "blur kernel",
    "blur.size": "kernel size (px)",
    "blur.sigma_x": "blur σ (px)",
    "blur.sigma_y": "blur σ across (px)",
    "blur.theta": "blur angle (rad)",
    "blur.beta": "kernel shape β",
    "blur.cutoff": "sinc cut-off (rad/px)",
    "resize.factor": "resize factor (×)",
    "resize.mode": "resize filter",
    "resize.relative_to": "resize factor of which size",
    "noise.kind": "noise",
    "noise.gaussian strength": "Gaussian noise σ (8-bit levels)",
    "noise.poisson strength": "Poisson noise scale (×)",
    "noise.grey": "noise channels",
    "jpeg.quality": "JPEG quality",
    "jpeg.subsampling": "JPEG subsampling",
    "motion.length": "motion blur length (px)",
    "motion.theta": "motion blur angle (rad)",
    "defocus.radius": "defocus radius (px)",
    "halo.radius": "sharpening σ (px)",
    "halo.strength": "sharpening strength (×)",
    "webp.quality": "WebP quality",
    "video.codec": "video codec",
    "video.h264 crf": "H.264 CRF",
    "video.h265 crf": "H.265 CRF",
    "video.mpeg2 crf": "MPEG-2 quantiser scale",
    "video.frames": "frames of the clip",
    "video.speed": "motion of the clip (px/frame)",
    "sinc.size": "sinc size (px)",
    "sinc.cutoff": "sinc cut-off (rad/px)",
}


def stage_title(stage: str) -> str:
    """Return how a stage is called on pages: "PSNR stage"."""
    return f"{STAGES.get(stage, stage)} stage"


def trial_label(words: str) -> str:
    """Return what a trial tries, such as "weight=0.2184": four digits of a number tell it from the others."""
    return re.sub(r"(?<==)\d*\.\d+(e-?\d+)?", lambda number: f"{float(number[0]):.4g}", words)


def image_title(image: str, version: int = 0, set_name: str = MAIN) -> str:
    """Return how an image of a validation set is called: "astronaut.png, version 2", "text (hard)"."""
    title = image if set_name == MAIN else f"{image} ({set_name})"
    return f"{title}, version {version + 1}" if version else title


def order_label(order: str) -> str:
    """Return an order as papers count it: "1st order", "2nd order", "final"."""
    return ORDERS.get(order, order)


def number_label(key: str) -> str:
    """Return what a key of `drawn_values` stands for, with its unit and without its order."""
    name = key.partition(".")[2]
    return NUMBERS.get(name) or name.replace(".", " ").replace("_", " ")
