"""Which videos are read, and how results can be encoded; known without FFmpeg, which is optional."""

from __future__ import annotations

from dataclasses import dataclass

SUFFIXES = (
    ".mp4", ".m4v", ".mkv", ".mov", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts", ".wmv", ".flv", ".ogv",
    ".3gp",
)  # fmt: skip
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}  # of results -> FFmpeg's name
ANY = ".mkv"  # of them, the one that holds nearly everything

# Encoder, its usual crf, its largest. The three usual ones look about alike, and like the source: 17 to 18 of x264 is
# "visually lossless or nearly so", 23 of x265 is 18 there, 23 of AV1 is 19 (FFmpeg's wiki: Encode/H.264, H.265, AV1).
CODECS = {"h264": ("libx264", 18, 51), "h265": ("libx265", 23, 51), "av1": ("libsvtav1", 23, 63)}


@dataclass(frozen=True)
class Coding:
    """How a result is encoded.

    Args:
        codec: one of CODECS.
        crf: constant rate factor of its encoder: 0 is the best, larger is smaller; None is the usual one.

    Raises:
        ValueError: a crf that the encoder does not have.
    """

    codec: str = "h264"
    crf: int | None = None

    def __post_init__(self) -> None:
        _, usual, largest = CODECS[self.codec]
        if self.crf is None:
            object.__setattr__(self, "crf", usual)
        elif not 0 <= self.crf <= largest:
            raise ValueError(f"crf {self.crf}: wanted 0 to {largest} for {self.codec}")

    @property
    def encoder(self) -> str:
        return CODECS[self.codec][0]
