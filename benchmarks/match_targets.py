"""What `benchmarks/match.py` has `wildsr match` recover: targets, how each is made, and the same in our own operations.

Five of the eight are made by Pillow alone, so is what Pillow does of the late ones; their H.264 is PyAV's.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from torch import Tensor

from wildsr.data import Photographs, sample_photographs
from wildsr.degradation import degrade
from wildsr.degradation.operations import (
    Blur,
    BlurSpec,
    FinalResizeSpec,
    Halo,
    HaloSpec,
    Jpeg,
    JpegSpec,
    Noise,
    NoiseSpec,
    Resize,
    Video,
    VideoSpec,
    Webp,
    WebpSpec,
)
from wildsr.degradation.recipe import Recipe, Step
from wildsr.images import from_pil, to_float, to_pil

SCALE, SIDE, IMAGES = 4, 1024, 10  # SIDE in HQ pixels, at most
LATE_SEED = 20261128  # of the two late targets, written down before they were drawn
BOX, BICUBIC, LANCZOS = Image.Resampling.BOX, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS
MODES = {BOX: "area", BICUBIC: "bicubic_antialias", LANCZOS: "lanczos"}  # the same in our own operations
Rng = np.random.Generator


class Made(NamedTuple):
    """One LQ image: the bytes of its file, its suffix, and the truth: last JPEG quality, noise in levels."""

    content: bytes
    suffix: str
    jpeg: int | None
    noise: float


@dataclass(frozen=True)
class Target:
    """How an image is made, the steps that do the same in our own operations, and both in words."""

    make: Callable[[Image.Image, Rng], Made]
    steps: Callable[[Rng], list[Step]]
    words: str


@dataclass(frozen=True)
class Median:
    """A median of 3 x 3 pixels, mixed with what it was made of; share, of the median, in [0, 1]."""

    share: float

    def describe(self) -> str:
        return f"median ×{self.share:.1f}"


@dataclass(frozen=True)
class MedianSpec:
    """A median, as cameras smooth noise: an operation of this file's, known to a configuration by `_target_`."""

    name: ClassVar[str] = "median"
    Record: ClassVar[type] = Median
    share: float = 0.5

    def draw(self, rng: Rng, context: object) -> Median:
        return Median(self.share)

    @staticmethod
    def apply(image: Tensor, record: Median, generator: object, final_size: object) -> Tensor:
        extended = F.pad(image[None], (1, 1, 1, 1), "replicate")[0]
        windows = extended.unfold(-2, 3, 1).unfold(-2, 3, 1).flatten(-2)
        return torch.lerp(image, windows.median(-1).values, record.share)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def decoded(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def shrunk(hq: Image.Image, way: Image.Resampling, factor: float = 1 / SCALE) -> Image.Image:
    return hq.resize((max(int(hq.width * factor), 1), max(int(hq.height * factor), 1)), way)


def to_levels(levels: np.ndarray) -> Image.Image:
    return Image.fromarray(levels.round().clip(0, 255).astype(np.uint8))


def noise_of(noisy: Image.Image, clean: Image.Image) -> float:
    difference = np.asarray(noisy, float) - np.asarray(clean, float)
    return float(np.sqrt(((difference @ np.array([0.299, 0.587, 0.114])) ** 2).mean()))


def by_steps(hq: Image.Image, steps: list[Step], jpeg: int | None) -> Made:
    """Make an image by our own operations, saved as PNG: the JPEG stands in the pixels alone."""
    return Made(encoded(to_pil(degrade(to_float(from_pil(hq)), Recipe(SCALE, 0, steps))), "PNG"), "png", jpeg, 0.0)


def resized(mode: str, factor: float = 1.0) -> Step:
    return Step("first", FinalResizeSpec, Resize(factor, mode, "final"))


def blurred(sigma: float) -> Step:
    return Step("first", BlurSpec, Blur("iso", 21, sigma_x=sigma))


def noisy(kind: str, strength: float, grey: bool) -> Step:
    return Step("first", NoiseSpec, Noise(kind, strength, grey))


def compressed(quality: int, order: str = "final") -> Step:
    return Step(order, JpegSpec, Jpeg(quality))


def soft_steps(rng: Rng) -> list[Step]:
    quality, sigma = int(rng.integers(35, 56)), float(rng.uniform(0.4, 1.6))
    return [blurred(sigma), resized("area"), compressed(quality)]


def soft(hq: Image.Image, rng: Rng) -> Made:
    steps = soft_steps(rng)
    return by_steps(hq, steps, steps[-1].record.quality)


def scans(hq: Image.Image, rng: Rng) -> Made:
    clean, quality = shrunk(hq, BICUBIC), int(rng.integers(88, 96))
    noise = rng.normal(0, rng.uniform(8, 16), (clean.height, clean.width, 1))
    noisy = to_levels(np.asarray(clean, float) + noise)
    return Made(encoded(noisy, "JPEG", quality=quality), "jpg", quality, noise_of(noisy, clean))


def scans_steps(rng: Rng) -> list[Step]:
    noise = noisy("gaussian", float(rng.uniform(8, 16)), True)
    return [resized("bicubic_antialias"), noise, compressed(int(rng.integers(88, 96)))]


def clean_steps(rng: Rng) -> list[Step]:
    return [resized("bicubic_antialias"), compressed(int(rng.integers(70, 91)))]


def clean(hq: Image.Image, rng: Rng) -> Made:
    steps = clean_steps(rng)
    return by_steps(hq, steps, steps[-1].record.quality)


def double(hq: Image.Image, rng: Rng) -> Made:
    first, last = int(rng.integers(55, 81)), int(rng.integers(75, 93))
    once = decoded(encoded(shrunk(hq, LANCZOS), "JPEG", quality=first))
    return Made(encoded(once, "JPEG", quality=last), "jpg", last, 0.0)


def double_steps(rng: Rng) -> list[Step]:
    first, last = int(rng.integers(55, 81)), int(rng.integers(75, 93))
    return [resized("lanczos"), compressed(first, "first"), compressed(last)]


def webp(hq: Image.Image, rng: Rng) -> Made:
    content = encoded(shrunk(hq, BICUBIC), "WEBP", quality=int(rng.integers(40, 81)))
    return Made(content, "webp", None, 0.0)


def webp_steps(rng: Rng) -> list[Step]:
    return [resized("bicubic_antialias"), Step("final", WebpSpec, Webp(int(rng.integers(40, 81))))]


def enlarged(hq: Image.Image, rng: Rng) -> Made:
    small, quality = shrunk(hq, BICUBIC, 1 / SCALE / rng.uniform(1.4, 2)), int(rng.integers(75, 93))
    again = small.resize((hq.width // SCALE, hq.height // SCALE), BICUBIC)
    return Made(encoded(again, "JPEG", quality=quality), "jpg", quality, 0.0)


def enlarged_steps(rng: Rng) -> list[Step]:
    small = resized("bicubic_antialias", float(1 / rng.uniform(1.4, 2)))
    return [small, resized("bicubic_antialias"), compressed(int(rng.integers(75, 93)))]


def h264_steps(rng: Rng) -> list[Step]:
    return [resized("lanczos"), Step("final", VideoSpec, Video("h264", int(rng.integers(22, 33)), 3, 1.0, 0.0))]


def h264(hq: Image.Image, rng: Rng) -> Made:
    return by_steps(hq, h264_steps(rng), None)


def photons(clean: Image.Image, rng: Rng) -> Image.Image:
    """Add noise that grows with brightness, of variance 4 + share · level."""
    levels = np.asarray(clean, float)
    noise = rng.normal(0, 1, levels.shape) * np.sqrt(4 + levels * rng.uniform(0.2, 1.0))
    return to_levels(levels + noise)


def photon_steps(rng: Rng) -> list[Step]:
    return [noisy("gaussian", 2.0, False), noisy("poisson", float(np.sqrt(rng.uniform(0.2, 1.0))), False)]


def half_median(picture: Image.Image) -> Image.Image:
    return Image.blend(picture, picture.filter(ImageFilter.MedianFilter(3)), 0.5)


MEDIAN, SHARPENED = Step("first", MedianSpec, Median(0.5)), Step("first", HaloSpec, Halo(1.5, 0.8))


def phone(hq: Image.Image, rng: Rng) -> Made:
    """Make noise that grows with brightness, smoothed by a median, sharpened, at a camera's quality."""
    still, quality = shrunk(hq, LANCZOS), int(rng.integers(85, 94))
    ends = [half_median(one).filter(ImageFilter.UnsharpMask(1.5, 80, 2)) for one in (photons(still, rng), still)]
    return Made(encoded(ends[0], "JPEG", quality=quality), "jpg", quality, noise_of(*ends))


def phone_steps(rng: Rng) -> list[Step]:
    return [resized("lanczos"), *photon_steps(rng), MEDIAN, SHARPENED, compressed(int(rng.integers(85, 94)))]


class Combination(NamedTuple):
    """One choice of everything, for a target that nobody thought of."""

    before: str
    way: Image.Resampling
    noise: str
    after: str
    codec: str

    def make(self, hq: Image.Image, rng: Rng) -> Made:
        """Make an image by Pillow and PyAV."""
        size = (hq.width // SCALE, hq.height // SCALE)
        if self.before == "blurred":
            hq = hq.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 3)))
        elif self.before == "enlarged":
            hq = shrunk(hq, self.way, 1 / SCALE / rng.uniform(1.4, 2))
        clean = hq.resize(size, self.way)
        noisy = clean
        if self.noise == "photons":
            noisy = photons(clean, rng)
        elif self.noise != "none":
            drawn = rng.normal(0, rng.uniform(3, 12), (*size[::-1], 1 if self.noise == "grey" else 3))
            noisy = to_levels(np.asarray(clean, float) + drawn)
        if self.after == "median":
            noisy, clean = half_median(noisy), half_median(clean)
        elif self.after == "sharpened":
            noisy, clean = (one.filter(ImageFilter.UnsharpMask(1.5, 80, 0)) for one in (noisy, clean))
        return self._code(noisy, rng, noise_of(noisy, clean))

    def _code(self, picture: Image.Image, rng: Rng, noise: float) -> Made:
        if self.codec == "webp":
            return Made(encoded(picture, "WEBP", quality=int(rng.integers(40, 81))), "webp", None, noise)
        if self.codec == "h264":
            return Made(encoded(by_h264(picture, int(rng.integers(22, 33))), "PNG"), "png", None, noise)
        if self.codec == "double":
            picture = decoded(encoded(picture, "JPEG", quality=int(rng.integers(55, 81))))
        low, high = (40, 66) if self.codec == "strong" else (75, 96)
        quality = int(rng.integers(low, high))
        return Made(encoded(picture, "JPEG", quality=quality), "jpg", quality, noise)

    def steps(self, rng: Rng) -> list[Step]:
        """Draw the same in our own operations."""
        mode = MODES[self.way]
        before = {
            "none": lambda: [],
            "blurred": lambda: [blurred(float(rng.uniform(0.5, 3)))],
            "enlarged": lambda: [resized(mode, float(1 / rng.uniform(1.4, 2)))],
        }
        noise = {
            "none": lambda: [],
            "photons": lambda: photon_steps(rng),
            "grey": lambda: [noisy("gaussian", float(rng.uniform(3, 12)), True)],
            "colour": lambda: [noisy("gaussian", float(rng.uniform(3, 12)), False)],
        }
        after = {"none": [], "median": [MEDIAN], "sharpened": [SHARPENED]}
        codec = {
            "webp": lambda: [Step("final", WebpSpec, Webp(int(rng.integers(40, 81))))],
            "h264": lambda: [Step("final", VideoSpec, Video("h264", int(rng.integers(22, 33)), 3, 0.0, 0.0))],
            "strong": lambda: [compressed(int(rng.integers(40, 66)))],
            "light": lambda: [compressed(int(rng.integers(75, 96)))],
            "double": lambda: [
                compressed(int(rng.integers(55, 81)), "first"), compressed(int(rng.integers(75, 96))),
            ],
        }  # fmt: skip
        found = [*before[self.before](), resized(mode), *noise[self.noise](), *after[self.after]]
        return [*found, *codec[self.codec]()]


def by_h264(picture: Image.Image, crf: int) -> Image.Image:
    """Code three equal frames by FFmpeg's x264 and return the middle one."""
    import av

    levels = np.asarray(picture)
    height, width = levels.shape[:2]
    levels = np.pad(levels, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(crf)})
        stream.height, stream.width = levels.shape[:2]
        stream.pix_fmt, stream.thread_count = "yuv420p", 1
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(levels, format="rgb24")))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        frame = list(container.decode(video=0))[1].to_ndarray(format="rgb24")
    return Image.fromarray(frame[:height, :width])


def late_combinations() -> list[Combination]:
    """Draw two by LATE_SEED among those that none of the eight targets is."""
    known = [
        Combination("blurred", BOX, "none", "none", "strong"), Combination("none", BICUBIC, "grey", "none", "light"),
        Combination("none", BICUBIC, "none", "none", "light"), Combination("none", LANCZOS, "none", "none", "double"),
        Combination("none", BICUBIC, "none", "none", "webp"), Combination("enlarged", BICUBIC, "none", "none", "light"),
        Combination("none", LANCZOS, "none", "none", "h264"),
        Combination("none", LANCZOS, "photons", "median", "light"),  # phone has a median and a sharpening
        Combination("none", LANCZOS, "photons", "sharpened", "light"),
    ]  # fmt: skip
    every = product(
        ("none", "blurred", "enlarged"), (BOX, BICUBIC, LANCZOS), ("none", "grey", "colour", "photons"),
        ("none", "median", "sharpened"), ("strong", "light", "double", "webp", "h264"),
    )  # fmt: skip
    others = [one for values in every if (one := Combination(*values)) not in known]
    places = np.random.default_rng(LATE_SEED).choice(len(others), 2, replace=False)
    return [others[place] for place in places]


TARGETS = {
    "soft": Target(soft, soft_steps, "Gaussian 0.4–1.6, area, JPEG 35–55 saved as PNG (ours)"),
    "scans": Target(scans, scans_steps, "bicubic, grey noise 8–16, JPEG 88–95 (Pillow)"),
    "clean": Target(clean, clean_steps, "bicubic, JPEG 70–90 saved as PNG (ours)"),
    "double": Target(double, double_steps, "Lanczos, JPEG 55–80, then 75–92 (Pillow)"),
    "webp": Target(webp, webp_steps, "bicubic, WebP 40–80 (Pillow)"),
    "enlarged": Target(enlarged, enlarged_steps, "shrunk 5.6–8 times, enlarged, JPEG 75–92 (Pillow)"),
    "h264": Target(h264, h264_steps, "Lanczos, H.264 CRF 22–32 saved as PNG (ours)"),
    "phone": Target(phone, phone_steps, "photon noise, median, sharpening, JPEG 85–93 (Pillow)"),
}
LATE = ("late_1", "late_2")


def target_of(name: str) -> Target:
    """Return a target by its name; the late ones are drawn here."""
    if name in TARGETS:
        return TARGETS[name]
    drawn = late_combinations()[LATE.index(name)]
    return Target(drawn.make, drawn.steps, ", ".join(getattr(value, "name", value) for value in drawn).lower())


def photographs_of(folder: Path | None) -> list[Image.Image]:
    """Return IMAGES parts of HQ photographs, none of which a simulation sees; large ones at half their size."""
    photographs = sample_photographs(["astronaut.png", "coffee.png"]) if folder is None else Photographs(folder)
    rng, found = np.random.default_rng(7), []
    for number in range(IMAGES):
        picture = to_pil(photographs[number % len(photographs)])
        if min(picture.size) >= 1.5 * SIDE:
            picture = picture.resize((picture.width // 2, picture.height // 2), LANCZOS)
        width, height = (min(SIDE, side) // SCALE * SCALE for side in picture.size)
        left, top = (
            int(rng.integers(side - kept + 1)) for side, kept in zip(picture.size, (width, height), strict=True)
        )
        found.append(picture.crop((left, top, left + width, top + height)))
    return found


def make_target(name: str, photographs: list[Image.Image], folder: Path) -> list[Made]:
    """Write the images of a target into a folder and return them with the truth."""
    folder.mkdir(parents=True, exist_ok=True)
    seed, target = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]), target_of(name)
    made = [target.make(hq, np.random.default_rng([seed, number])) for number, hq in enumerate(photographs)]
    for number, one in enumerate(made):
        (folder / f"{number:02}.{one.suffix}").write_bytes(one.content)
    return made
