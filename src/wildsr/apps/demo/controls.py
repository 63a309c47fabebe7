"""A recipe as a form: a control for every parameter, and back; and as a file for conf/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import yaml

from wildsr.checks import refuse, refuse_choice
from wildsr.degradation import DegradationSpec, Recipe
from wildsr.degradation.kernels import BLUR_FIELDS
from wildsr.degradation.libjpeg import SUBSAMPLINGS, USUAL
from wildsr.degradation.operations.noise import STRENGTH
from wildsr.degradation.operations.resize import MODES
from wildsr.degradation.operations.video import CODECS as VIDEO_CODECS
from wildsr.degradation.operations.video import FRAMES
from wildsr.degradation.recipe import VERSION
from wildsr.degradation.recipe import values_of as fields_of

DIGITS = 2  # after the point, of every number of a form: what sliders show is what is applied
UPPER_SCALE = 8  # the largest of our networks

Values = dict[str, Any]  # key of a control -> what it is set to


@dataclass(frozen=True)
class Control:
    """One parameter, or whether an operation takes part.

    Args:
        key: where it stands in a recipe, such as first.blur.sigma_x; of an operation, first.blur. In ORDER and CODECS
            without the part.
        label: in a few words, with the unit.
        choices: names to choose from.
        span: lowest and highest number, and the step; neither this nor choices: yes or no.
        default: what it shows while the recipe has no such number.
    """

    key: str
    label: str
    choices: tuple[str, ...] = ()
    span: tuple[float, float, float] | None = None
    default: Any = False

    def typed(self, value: Any) -> Any:
        """Read a value as a browser sends it, whole where the step is whole. Raises: UserError if it is empty."""
        if value is None:
            raise refuse(self.key, value, "a number" if self.span else "a choice")
        if self.span is None:
            return value
        return int(value) if isinstance(self.span[2], int) else float(value)


def _of(part: str, controls: Sequence[Control]) -> tuple[Control, ...]:
    """Return controls of operations as those of a part of the recipe."""
    return tuple(replace(control, key=f"{part}.{control.key}") for control in controls)


CODECS = (
    Control("jpeg", "JPEG"),
    Control("jpeg.quality", "JPEG quality", span=(1, 100, 1), default=75),
    Control("jpeg.subsampling", "colours", choices=tuple(SUBSAMPLINGS), default=USUAL),
    Control("webp", "WebP"),
    Control("webp.quality", "WebP quality", span=(0, 100, 1), default=75),
    Control("video", "video codec"),
    Control("video.codec", "codec", choices=tuple(VIDEO_CODECS), default="h264"),
    Control("video.crf", "CRF; of MPEG-2, up to 31, the quantiser", span=(1, 51, 1), default=28),
    Control("video.frames", "frames", span=(*FRAMES, 1), default=3),
    Control("video.speed_x", "pixels a frame to the right", span=(-16, 16, 0.01), default=0.5),
    Control("video.speed_y", "pixels a frame downwards", span=(-16, 16, 0.01), default=0.0),
)
ORDER = (
    Control("defocus", "defocus"),
    Control("defocus.radius", "radius, pixels", span=(0, 25, 0.01), default=2.0),
    Control("motion", "motion"),
    Control("motion.length", "length, pixels", span=(0, 50, 0.01), default=5.0),
    Control("motion.theta", "angle, radians", span=(-1.57, 1.57, 0.01), default=0.0),
    Control("blur", "blur"),
    Control("blur.kind", "kernel", choices=tuple(BLUR_FIELDS), default="iso"),
    Control("blur.size", "size, pixels", span=(3, 51, 2), default=15),
    Control("blur.sigma_x", "σ along x, pixels", span=(0.05, 8, 0.01), default=1.0),
    Control("blur.sigma_y", "σ along y, pixels", span=(0.05, 8, 0.01), default=1.0),
    Control("blur.theta", "angle, radians", span=(-3.14, 3.14, 0.01), default=0.0),
    Control("blur.beta", "shape β (1: Gaussian)", span=(0.1, 10, 0.01), default=1.0),
    Control("blur.cutoff", "cut-off, radians per pixel", span=(0.05, 3.14, 0.01), default=2.0),
    Control("resize", "resize"),
    Control("resize.factor", "factor", span=(0.05, 2, 0.01), default=1.0),
    Control("resize.mode", "interpolation", choices=MODES, default="bicubic"),
    Control("resize.relative_to", "factor of which size", choices=("input", "final"), default="input"),
    Control("halo", "halo"),
    Control("halo.radius", "radius, pixels", span=(0.1, 8, 0.01), default=1.5),
    Control("halo.strength", "strength", span=(0, 10, 0.01), default=1.0),
    Control("noise", "noise"),
    Control("noise.kind", "kind", choices=tuple(STRENGTH), default="gaussian"),
    Control("noise.strength", "strength (Gaussian: σ in levels)", span=(0, 60, 0.01), default=5.0),
    Control("noise.grey", "the same in all channels"),
    *CODECS,
)
OPERATIONS = tuple(control.key for control in ORDER if "." not in control.key)  # of an order, as applied
PARTS: dict[str, tuple[Control, ...]] = {
    "1st order": _of("first", ORDER),
    "2nd order": (Control("second", "a 2nd order"), *_of("second", ORDER)),
    "final": (
        Control("final", "final steps"),
        Control("final.resize.mode", "interpolation to the final size", choices=MODES, default="bicubic"),
        Control("final.sinc", "sinc filter"),
        Control("final.sinc.size", "its size, pixels", span=(3, 51, 2), default=15),
        Control("final.sinc.cutoff", "its cut-off, radians per pixel", span=(0.05, 3.14, 0.01), default=2.0),
        *_of("final", CODECS),
        Control("final.jpeg_first", "JPEG before the resize and the filter"),
    ),
    "Scale and seed": (
        Control("scale", "scale, HQ side / LQ side", span=(1, UPPER_SCALE, 1), default=4),
        Control("seed", "seed of the noise", span=(0, 2**31 - 1, 1), default=0),
    ),
}
CONTROLS = tuple(control for part in PARTS.values() for control in part)


def draw(spec: DegradationSpec, seed: int) -> Recipe:
    """Draw a recipe, its numbers rounded as the controls show them."""
    recipe = spec.draw(np.random.default_rng(seed))
    return Recipe.from_dict(_rounded(recipe.to_dict() | {"seed": seed}))


def values_of(recipe: Recipe) -> Values:
    """Return how the controls are set for a recipe."""
    names = list(recipe.records)
    values: Values = {"scale": recipe.scale, "seed": recipe.seed}
    values |= {step.order: True for step in recipe.steps} | dict.fromkeys(names, True)
    values |= {
        f"{name}.{key}": value for name, record in recipe.records.items() for key, value in fields_of(record).items()
    }
    if {"final.jpeg", "final.resize"} <= set(names):
        values["final.jpeg_first"] = names.index("final.jpeg") < names.index("final.resize")
    return {control.key: values.get(control.key, control.default) for control in CONTROLS}


def recipe_of(values: Mapping[str, Any]) -> Recipe:
    """Return the recipe that the controls are set to; what its operations do not use is left out.

    Raises:
        UserError: it is none: one line that begins with the key.
    """
    typed = {control.key: control.typed(values[control.key]) for control in CONTROLS}
    steps = _order_of("first", typed)
    steps += _order_of("second", typed) if typed["second"] else []
    steps += _final_of(typed) if typed["final"] else []
    data = {"version": VERSION, "scale": typed["scale"], "seed": typed["seed"], "steps": steps}
    return Recipe.from_dict(_rounded(data))


def used(values: Mapping[str, Any], controls: Sequence[Control] = CONTROLS) -> list[bool]:
    """Return for each control whether it has a meaning, as all are set."""
    return [_is_used(control.key, values) for control in controls]


def to_conf(recipe: Recipe) -> str:
    """Write a recipe as a file for conf/degradation/: every image has this recipe, but for the seed of its noise."""
    fixed = yaml.safe_dump({"fixed_recipe": recipe.to_dict()}, sort_keys=False)
    return (
        "# One recipe for every image, but for the seed of its noise.\n"
        "# As conf/degradation/mine.yaml it is chosen by\n"
        f"#   python train.py degradation=mine scale={recipe.scale}\n"
        f"#   wildsr degrade photos/ -o lq/ degradation=mine scale={recipe.scale}\n"
        "defaults:\n  - second_order\n  - _self_\n\n" + fixed
    )


def _is_used(key: str, values: Mapping[str, Any]) -> bool:
    part, *rest = key.split(".")
    if not rest:
        return True
    if part in ("second", "final") and not values[part]:
        return False
    if len(rest) == 1:
        return key != "final.jpeg_first" or values["final.jpeg"]
    operation = f"{part}.{rest[0]}"
    if operation in values and not values[operation]:
        return False
    if rest[0] != "blur" or rest[1] in ("kind", "size"):
        return True
    return rest[1] in BLUR_FIELDS[values[f"{operation}.kind"]]


def _order_of(part: str, values: Mapping[str, Any]) -> list[Values]:
    kind = values[f"{part}.blur.kind"]
    if values[f"{part}.blur"] and kind not in BLUR_FIELDS:
        raise refuse_choice(f"{part}.blur.kind", kind, BLUR_FIELDS)
    return [_step(part, op, values) for op in OPERATIONS if values[f"{part}.{op}"]]


def _step(part: str, op: str, values: Mapping[str, Any]) -> Values:
    """Return an operation's own controls that are used."""
    own = [name for name in values if name.startswith(f"{part}.{op}.") and _is_used(name, values)]
    return {"order": part, "op": op} | {name.rpartition(".")[2]: values[name] for name in own}


def _final_of(values: Mapping[str, Any]) -> list[Values]:
    resize = _step("final", "resize", values) | {"factor": 1.0, "relative_to": "final"}
    sinc, jpeg, webp, video = (
        [_step("final", op, values)] if values[f"final.{op}"] else [] for op in ("sinc", "jpeg", "webp", "video")
    )
    start = [*jpeg, resize, *sinc] if values["final.jpeg_first"] else [resize, *sinc, *jpeg]
    return [*start, *webp, *video]


def _rounded(data: Any) -> Any:
    """Round every number with a fraction to DIGITS; pi becomes 3.14, still no more than what is allowed."""
    if isinstance(data, Mapping):
        return {key: _rounded(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_rounded(value) for value in data]
    return round(data, DIGITS) if isinstance(data, float) else data
