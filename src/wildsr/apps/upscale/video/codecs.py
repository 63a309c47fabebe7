"""Which videos are read, and how results can be encoded; known without FFmpeg, which is optional."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from wildsr.io import UserError

SUFFIXES = (
    ".mp4", ".m4v", ".mkv", ".mov", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts", ".wmv", ".flv", ".ogv",
    ".3gp", ".3g2", ".asf", ".vob", ".mxf",
)  # fmt: skip
ANIMATIONS = (".gif", ".apng")  # images, but videos where the result is one
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}  # of results -> FFmpeg's name
ANY = ".mkv"  # of them, the one that holds nearly everything

SOUND = {"webm": "libopus"}  # kind of container -> encoder of sound that it cannot hold as it is; else aac
SOUND_RATES = {"aac": 96000, "libopus": 64000}  # bits a second of a channel (FFmpeg's wiki: Encode/HighQualityAudio)
WORDS = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}  # encoders of subtitles

# Encoder, its usual crf, its largest. The three usual ones look about alike, and like the source: 17 to 18 of x264 is
# "visually lossless or nearly so", 23 of x265 is 18 there, 23 of AV1 is 19 (FFmpeg's wiki: Encode/H.264, H.265, AV1).
CODECS = {"h264": ("libx264", 18, 51), "h265": ("libx265", 23, 51), "av1": ("libsvtav1", 23, 63)}

HELD = {".webm": ("av1",)}  # of CODECS, by containers that do not hold all of them

# Encoder -> its option that holds further ones, the first of these; its names there for the static metadata of HDR10,
# and its units of these numbers: steps of 1 in x and y, of 1 cd/m2, decimal places (x264 and x265: H.265, D.3.28).
FURTHER = {
    "libx264": ("x264-params", (), "mastering-display", "cll", 50000, 10000, 0),
    "libx265": ("x265-params", ("log-level=none",), "master-display", "max-cll", 50000, 10000, 0),
    "libsvtav1": ("svtav1-params", (), "mastering-display", "content-light", 1, 1, 6),
}


def usual_codec(source: str, output: str) -> str:
    """Return the codec of a result where none is chosen: what its container holds, which may be the source's."""
    own = next((suffix for name in (output, source) if (suffix := Path(name).suffix.lower()) in CONTAINERS), ANY)
    return HELD.get(own, tuple(CODECS))[0]


@dataclass(frozen=True)
class Brightness:
    """What HDR10 says of a whole video, for displays that have to darken it.

    Args:
        mastering: of the display that it was made on: x and y of red, green, blue and white, in CIE 1931, then the
            least and the most cd/m2.
        light: the most cd/m2 of a pixel, and of a frame on average.
    """

    mastering: tuple[Fraction, ...] | None = None
    light: tuple[int, int] | None = None


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
            raise UserError(f"crf {self.crf}: wanted 0 to {largest} for {self.codec}")

    @property
    def encoder(self) -> str:
        return CODECS[self.codec][0]

    def options(self, brightness: Brightness) -> dict[str, str]:
        """Return the encoder's options, by FFmpeg's names."""
        name, first, display, light, chromaticity, luminance, places = FURTHER[self.encoder]
        further = list(first)
        if brightness.mastering:
            units = (*[chromaticity] * 8, luminance, luminance)
            numbers = [f"{float(n * unit):.{places}f}" for n, unit in zip(brightness.mastering, units, strict=True)]
            r, g, b, white = (",".join(numbers[index : index + 2]) for index in (0, 2, 4, 6))
            further.append(f"{display}=G({g})B({b})R({r})WP({white})L({numbers[9]},{numbers[8]})")
        if brightness.light:
            further.append(f"{light}={brightness.light[0]},{brightness.light[1]}")
        return {"crf": str(self.crf), name: ":".join(further)}
