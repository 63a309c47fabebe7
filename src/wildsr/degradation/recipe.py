"""What was drawn for one image: plain numbers and names, to print, save, edit by hand and replay.

Sizes and sigmas in pixels, theta in radians, cut-offs in radians per pixel, Gaussian noise in 8-bit levels.
Every record checks itself, because it may come out of a file that somebody edited.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from wildsr.rules import Rule, number, one_of, record, refuse, whole

# The widest that a recipe may ask for: far beyond what is released, and still no risk to memory.
SCALE = whole(1, 16)
SIZE = whole(3, 51, step=2)
SIGMA = number(0.05, 50)
BETAS = (0.1, 10.0)
CUTOFF = number(0.05, math.pi)  # pi lets everything through
FACTORS = (0.01, 4.0)
STRENGTH = {"gaussian": number(0, 255), "poisson": number(0, 100)}
QUALITY = whole(1, 100)
MODES = ("area", "bilinear", "bicubic", "nearest", "bicubic_antialias")
BLUR_FIELDS: dict[str, tuple[str, ...]] = {  # what each kind of kernel needs beside its size
    "iso": ("sigma_x",),
    "aniso": ("sigma_x", "sigma_y", "theta"),
    "generalized_iso": ("sigma_x", "beta"),
    "generalized_aniso": ("sigma_x", "sigma_y", "theta", "beta"),
    "plateau_iso": ("sigma_x", "beta"),
    "plateau_aniso": ("sigma_x", "sigma_y", "theta", "beta"),
    "sinc": ("cutoff",),
}


def _or_nothing(rule: Rule) -> Rule:
    return lambda key, value: None if value is None else rule(key, value)


@record
class Blur:
    """A kernel's shape; what its kind does not use is None. The `iso` kinds use sigma_x for both axes."""

    kind: Annotated[str, one_of(*BLUR_FIELDS)]
    size: Annotated[int, SIZE]
    sigma_x: Annotated[float | None, _or_nothing(SIGMA)] = None
    sigma_y: Annotated[float | None, _or_nothing(SIGMA)] = None
    theta: Annotated[float | None, _or_nothing(number(-math.pi, math.pi))] = None
    beta: Annotated[float | None, _or_nothing(number(*BETAS))] = None
    cutoff: Annotated[float | None, _or_nothing(CUTOFF)] = None

    def __post_init__(self) -> None:
        for name in ("sigma_x", "sigma_y", "theta", "beta", "cutoff"):
            value, used = getattr(self, name), name in BLUR_FIELDS[self.kind]
            if (value is not None) != used:
                raise refuse(name, value, f"{'a number' if used else 'nothing'} for the kind {self.kind}")

    def describe(self) -> str:
        if self.cutoff is not None:
            return f"sinc {self.size} px cut-off {self.cutoff / math.pi:.2f}π"
        words = f"blur {self.kind.replace('_', ' ')} {self.size} px σ {self.sigma_x:.2g}"
        if self.theta is not None:
            words += f"×{self.sigma_y:.2g} at {math.degrees(self.theta):.0f}°"
        return words if self.beta is None else f"{words} β {self.beta:.2g}"


@record
class Resize:
    """A resize by `factor` of the incoming size or of the final LQ size, per axis, floored."""

    factor: Annotated[float, number(*FACTORS)]
    mode: Annotated[str, one_of(*MODES)]
    of: Annotated[str, one_of("input", "final")]

    def describe(self) -> str:
        mode = self.mode.replace("_", " ")
        if self.of == "final":
            return f"to {f'×{self.factor:.2f} of ' if self.factor != 1 else ''}final size {mode}"
        way = "up" if self.factor > 1 else "down"
        return "keep size" if self.factor == 1 else f"{way} ×{self.factor:.2f} {mode}"


@record
class Noise:
    """Noise of strength: a Gaussian's sigma in 8-bit levels or a Poisson scale; grey: equal channels."""

    kind: Annotated[str, one_of(*STRENGTH)]
    strength: Annotated[float, number(0, 255)]
    grey: bool

    def __post_init__(self) -> None:
        STRENGTH[self.kind]("strength", self.strength)

    def describe(self) -> str:
        strength = f"σ {self.strength:.1f}" if self.kind == "gaussian" else f"×{self.strength:.2f}"
        return f"{self.kind.title()} noise {strength} {'grey' if self.grey else 'colour'}"


@record
class Jpeg:
    """JPEG at one of libjpeg's whole-numbered qualities, 4:2:0."""

    quality: Annotated[int, QUALITY]

    def describe(self) -> str:
        return f"JPEG {self.quality}"


Operation: TypeAlias = Blur | Resize | Noise | Jpeg


@record
class Order:
    """One order of the degradation, applied in the order of its fields; None leaves an operation out."""

    blur: Blur | None
    resize: Resize | None
    noise: Noise | None
    jpeg: Jpeg | None


@record
class Finish:
    """The end: a resize to the final size and a sinc filter (or none), after or before the last JPEG."""

    resize: Resize
    sinc: Blur | None
    jpeg: Jpeg
    jpeg_first: bool

    def __post_init__(self) -> None:
        if self.sinc is not None:
            one_of("sinc")("sinc.kind", self.sinc.kind)


@record
class Recipe:
    """All that was drawn for one image; `seed` starts the random stream of its noise.

    The last resize goes to the final size, HQ // scale.
    """

    scale: Annotated[int, SCALE]
    seed: Annotated[int, whole(0, 2**63 - 1)]
    first: Order
    second: Order | None
    finish: Finish | None

    def __post_init__(self) -> None:
        resizes = [(name, step) for name, step in self.steps if isinstance(step, Resize)]
        name, last = resizes[-1] if resizes else ("first.resize", None)
        if last is None or last.of != "final" or last.factor != 1:
            raise refuse(name, last and (last.factor, last.of), "factor 1 of final, where the last resize ends")

    @property
    def steps(self) -> tuple[tuple[str, Operation], ...]:
        """The operations and their names (`first.blur`, …) in the order in which they are applied."""
        order = ("blur", "resize", "noise", "jpeg")
        jpeg_first = self.finish is not None and self.finish.jpeg_first
        finish = ("jpeg", "resize", "sinc") if jpeg_first else ("resize", "sinc", "jpeg")
        parts = (("first", order), ("second", order), ("finish", finish))
        names = [(part, name) for part, names in parts for name in names]
        steps = ((f"{part}.{name}", getattr(getattr(self, part), name, None)) for part, name in names)
        return tuple((name, step) for name, step in steps if step is not None)

    def describe(self) -> str:
        """The recipe in words, a phrase a step, for captions."""
        return "; ".join(step.describe() for _, step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionaries; a kernel lists only what its kind uses."""

        def tidy(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            return {name: value for name, value in pairs if value is not None or pairs[-1][0] != "cutoff"}

        return dataclasses.asdict(self, dict_factory=tidy)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Recipe":
        """The inverse of `to_dict`. Raises: ValueError, one line that begins with the key, for what is no recipe."""
        return _read(cls, data, "")

    def to_json(self) -> str:
        """One line of JSON; numbers survive exactly."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """The inverse of `to_json`. Raises: ValueError, as `from_dict`, and for what is no JSON."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise refuse("recipe", text, f"JSON ({error})") from None
        return cls.from_dict(data)


_PARTS: dict[type, dict[str, type]] = {
    Order: {"blur": Blur, "resize": Resize, "noise": Noise, "jpeg": Jpeg},
    Finish: {"resize": Resize, "sinc": Blur, "jpeg": Jpeg},
    Recipe: {"first": Order, "second": Order, "finish": Finish},
}


def _read(kind: type, data: object, prefix: str) -> Any:
    """Build a record from a dictionary; `prefix` leads to it, for the messages."""
    names = [field.name for field in dataclasses.fields(kind)]
    if not isinstance(data, Mapping):
        raise refuse(prefix.rstrip(".") or "recipe", data, "the keys " + ", ".join(names))
    if kind is Blur:
        names = ["kind", "size", *BLUR_FIELDS[one_of(*BLUR_FIELDS)(f"{prefix}kind", data.get("kind"))]]
    for key in (*data, *names):
        if key not in names or key not in data:
            raise refuse(prefix + repr(key).strip("'"), data.get(key), "exactly the keys " + ", ".join(names))
    values = dict(data)
    for key, part in _PARTS.get(kind, {}).items():
        values[key] = None if data[key] is None else _read(part, data[key], f"{prefix}{key}.")
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{prefix}{error}") from None
