"""Names of weights that people choose from, and which of them mix."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from wildsr.io import CONFIG, GENERATOR
from wildsr.labels import STAGES
from wildsr.networks import load_generator
from wildsr.networks.released import GENERATORS, PUBLISHED, cached_file, in_wheel, offline_reason


def label(weights: str) -> str:
    """Name weights in a few words: "quickstart · GAN", "realesrgan-x4plus · photographs, x4 · download 67 MB"."""
    if weights in GENERATORS:
        subject, scale, _ = GENERATORS[weights].description.split(", ", 2)
        return " · ".join(filter(None, (weights, f"{subject}, {scale}", supply(weights))))
    file = Path(weights)
    stage = file.resolve().parent
    if file.name != GENERATOR or not (stage / CONFIG).is_file():
        return file.name
    return f"{stage.parent.name} · {STAGES.get(stage.name, stage.name)}"


def labels(weights: Sequence[str]) -> list[tuple[str, str]]:
    """Return (label, weights) of each, without repeating one; those that would share a label show their path."""
    found = [(label(one), one) for one in dict.fromkeys(weights)]
    texts = [text for text, _ in found]
    return [(text if texts.count(text) == 1 else f"{text} ({one})", one) for text, one in found]


def supply(name: str) -> str:
    """Say where a released network will come from; "" where its file is on this machine already."""
    released = GENERATORS[name]
    url = PUBLISHED + released.address
    if cached_file(url).is_file():
        return ""
    if not offline_reason(url):
        return f"download {released.megabytes:.0f} MB"
    return "bundled fp16 copy" if in_wheel(released) else "not available offline"


def kind(weights: str) -> str:
    """Return scale and architecture of weights, in which two that mix agree.

    Raises:
        UserError: a file cannot be read.
    """
    if weights in GENERATORS:
        found = re.search(r"x\d, \w+ of \d+ \w+", GENERATORS[weights].description)
        assert found is not None
        return found[0]
    generator = load_generator(weights)
    name = str(getattr(generator, "architecture", type(generator).__name__))
    # "RRDBNet of 64 features, 23 blocks, growth 32": of 64 features, as all released ones have, the rest tells.
    return f"x{generator.scale}, " + re.sub(r" of 64 features, (\d+ \w+).*", r" of \1", name)


def partners(first: str, kinds: dict[str, str]) -> list[str]:
    """Return the other weights that mix with the first, out of the kinds of all."""
    return [name for name in kinds if name != first and kinds[name] == kinds[first]]
