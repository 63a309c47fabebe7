"""Whatever the recipe: finite, in range, of the right size, the same again, alone and beside others, and from JSON."""

import math

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wildsr.degradation import Degradation, DegradationSpec, Recipe, Step, degrade, make_plan
from wildsr.degradation.kernels import BLUR_FIELDS, LIMITS
from wildsr.degradation.libjpeg import SUBSAMPLINGS
from wildsr.degradation.operations import (
    BUILT_IN,
    Blur,
    BlurSpec,
    Defocus,
    DefocusSpec,
    Halo,
    HaloSpec,
    Jpeg,
    JpegSpec,
    Motion,
    MotionSpec,
    Noise,
    NoiseSpec,
    Resize,
    ResizeSpec,
    Sinc,
    SincSpec,
    Video,
    VideoSpec,
    Webp,
    WebpSpec,
)
from wildsr.degradation.operations.noise import STRENGTH
from wildsr.degradation.operations.resize import MODES
from wildsr.degradation.operations.video import CODECS

SCALE = 2


def within(low, high):
    return st.floats(low, high, allow_nan=False)


@st.composite
def blurs(draw):
    kind = draw(st.sampled_from(list(BLUR_FIELDS)))
    values = {key: draw(within(*LIMITS[key])) for key in BLUR_FIELDS[kind]}
    return Blur(kind, 2 * draw(st.integers(1, 25)) + 1, **values)


@st.composite
def noises(draw):
    kind = draw(st.sampled_from(list(STRENGTH)))
    return Noise(kind, draw(within(*STRENGTH[kind])), draw(st.booleans()))


@st.composite
def videos(draw):
    codec = draw(st.sampled_from(list(CODECS)))
    crf, frames = draw(st.integers(*CODECS[codec].crf)), draw(st.integers(1, 4))
    return Video(codec, crf, frames, draw(within(-16, 16)), draw(within(-16, 16)))


RECORDS = {
    BlurSpec: blurs(),
    SincSpec: st.builds(Sinc, st.integers(1, 25).map(lambda n: 2 * n + 1), cutoff=within(*LIMITS["cutoff"])),
    # Up to twice: a recipe may ask for more, and more again, until no memory is left.
    ResizeSpec: st.builds(Resize, within(0.01, 2), st.sampled_from(MODES), st.sampled_from(["input", "final"])),
    NoiseSpec: noises(),
    JpegSpec: st.builds(Jpeg, st.integers(1, 100), st.sampled_from(list(SUBSAMPLINGS))),
    MotionSpec: st.builds(Motion, within(0, 50), within(-math.pi / 2, math.pi / 2)),
    DefocusSpec: st.builds(Defocus, within(0, 25)),
    HaloSpec: st.builds(Halo, within(0.1, 8), within(0, 10)),
    WebpSpec: st.builds(Webp, st.integers(0, 100)),
    VideoSpec: videos(),
}
STEP = st.sampled_from(list(RECORDS)).flatmap(
    lambda operation: st.builds(
        Step, st.sampled_from(["first", "second", "third"]), st.just(operation), RECORDS[operation]
    )
)
AFTER = st.sampled_from([operation for operation in RECORDS if operation is not ResizeSpec]).flatmap(
    lambda operation: st.builds(Step, st.just("final"), st.just(operation), RECORDS[operation])
)


@st.composite
def recipes(draw):
    """Up to three steps, the resize to the final size, and perhaps one more."""
    last = Step("final", ResizeSpec, Resize(1.0, draw(st.sampled_from(MODES)), "final"))
    steps = [*draw(st.lists(STEP, max_size=3)), last, *draw(st.lists(AFTER, max_size=1))]
    return Recipe(SCALE, draw(st.integers(0, 2**63 - 1)), steps)


def test_every_operation_is_tried():
    assert set(RECORDS) == set(BUILT_IN)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(recipes(), min_size=1, max_size=3),
    st.sampled_from([1, 3]),
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(0, 99),
)
def test_any_recipe_gives_an_image_that_depends_on_nothing_else(chosen, channels, height, width, seed):
    shape = (len(chosen), channels, height * SCALE, width * SCALE)
    images = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    alone = [degrade(image, recipe) for image, recipe in zip(images, chosen, strict=True)]
    together = Degradation(DegradationSpec(SCALE))(images, chosen)
    planned = degrade(images, make_plan(chosen, images.shape))  # as a GPU does it
    for own, image, recipe in zip(planned, images, chosen, strict=True):
        assert torch.isfinite(own).all() and own.min() >= 0 and own.max() <= 1
        assert torch.equal(degrade(image[None], make_plan([recipe], (1, *image.shape)))[0], own)
    for image, recipe, lq, beside in zip(images, chosen, alone, together, strict=True):
        levels = lq * 255
        assert lq.shape == (channels, height, width) and lq.dtype == torch.float32
        assert torch.isfinite(lq).all() and lq.min() >= 0 and lq.max() <= 1
        assert (levels - levels.round()).abs().max() < 1e-4
        assert torch.equal(beside, lq)
        again = Recipe.from_json(recipe.to_json())
        assert again == recipe and again.describe() == recipe.describe()
        assert torch.equal(degrade(image, again), lq)


def test_drawn_values_of_every_record_are_plain():
    """What `to_dict` gives is JSON's own, and what is counted is numbers and names."""
    for record in (
        Webp(50, "libwebp 1"),
        Video("h264", 20, 2, 0.5, 0.0, "PyAV"),
        Motion(3, 0.1),
        Defocus(2),
        Halo(1, 1),
    ):
        counted = record.statistics() if hasattr(record, "statistics") else vars(record)
        assert all(isinstance(value, int | float | str) for value in counted.values())
        assert "build" not in counted
