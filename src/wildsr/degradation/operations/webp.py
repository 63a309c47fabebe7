"""Compress by WebP, as libwebp does."""

# C = 1 or 3, H W image

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator
from torch import Tensor

from wildsr.checks import check_integer, check_integer_range, check_number, check_optional_name
from wildsr.degradation import draws
from wildsr.degradation.codecs import code_bytes, compare_builds
from wildsr.degradation.operations.operation import DrawContext

QUALITIES = (0, 100)


@dataclass(frozen=True)
class Webp:
    """Lossy WebP at one of libwebp's whole-numbered qualities; `build` is what it was drawn with."""

    quality: int
    build: str | None = None

    def __post_init__(self) -> None:
        check_integer(self, "quality", *QUALITIES)
        check_optional_name(self, "build")

    def describe(self) -> str:
        """Return the compression in words."""
        return f"WebP {self.quality}"

    def statistics(self) -> dict[str, Any]:
        """Return what is counted."""
        return {"quality": self.quality}


@dataclass(frozen=True)
class WebpSpec:
    """WebP with probability `prob` at a whole-numbered quality of a range, both ends possible."""

    name: ClassVar[str] = "webp"
    Record: ClassVar[type] = Webp
    on_cpu: ClassVar[bool] = True
    prob: float = 1.0
    quality: Sequence[int] = (30, 95)

    def __post_init__(self) -> None:
        check_number(self, "prob", 0, 1)
        check_integer_range(self, "quality", *QUALITIES)

    def draw(self, rng: Generator, context: DrawContext) -> Webp | None:
        return Webp(draws.integer(rng, *self.quality), build()) if draws.happens(rng, self.prob) else None

    @staticmethod
    def apply(image: Tensor, record: Webp, generator: object, final_size: object) -> Tensor:
        compare_builds(record.build, build())
        return code_bytes(image, lambda array: code_webp(array, record.quality))


@cache
def build() -> str:
    """Return the build of libwebp that Pillow has."""
    from PIL import features  # at first use

    return f"libwebp {features.version('webp')}"


def code_webp(array: Any, quality: int) -> Any:
    """Compress and decompress (H, W, 3) uint8, as Pillow does by default: lossy, method 4."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(array).save(file, "WEBP", quality=quality)
    return np.array(Image.open(file).convert("RGB"))
