"""Plan of a batch: few operators, no waits, small canvases, bounded memory, no TF32."""

from functools import partial

import kornia.filters
import numpy as np
import pytest
import torch
from torch import Generator, Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from wildsr.degradation import DegradationSpec, Recipe, degrade, make_plan, pipeline, sharpen, tensors
from wildsr.degradation.batched import plan
from wildsr.degradation.batched.form import shape_of
from wildsr.degradation.operations.jpeg import JpegBatch


def drawn(count: int, seed: int = 0) -> list[Recipe]:
    return [DegradationSpec().draw(np.random.default_rng([seed, i])) for i in range(count)]


def noise_images(count: int, side: int) -> Tensor:
    return torch.rand(count, 3, side, side, generator=Generator().manual_seed(0))


class OnDevice(TorchDispatchMode):
    """Counts operators that make tensors on a device, views left out, and blocking copies to it."""

    operators = blocking = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        moves = func.overloadpacket is torch.ops.aten._to_copy and kwargs.get("device") not in (None, args[0].device)
        self.blocking += bool(moves and not kwargs.get("non_blocking"))
        result = func(*args, **kwargs)
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor) and leaf.device.type == "cuda"]
        self.operators += bool(made) and not func.is_view and func.overloadpacket.__name__ != "_unsafe_view"
        return result


@pytest.mark.parametrize("count", [12, 48])
def test_a_batch_takes_at_most_800_operators_and_6_an_image_and_no_waits(monkeypatch, count):
    """On tensors of CUDA without values whatever reads one back raises; what is sent counts, too."""
    made = make_plan(drawn(count), (count, 3, 400, 400))
    monkeypatch.setattr(pipeline, "Generator", lambda device: Generator())  # there is no device to have one
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)
    with FakeTensorMode() as mode, OnDevice() as device:
        made.block = mode.from_tensor(made.block)
        lq = degrade(sharpen(torch.empty(count, 3, 400, 400, device="cuda")), made)
    assert lq.device.type == "cuda" and lq.shape == (count, 3, 100, 100)
    assert 100 < device.operators <= 800 + 6 * count
    assert device.blocking == 0


def pixels(made: plan.Plan) -> tuple[int, int]:
    """Pixels of all canvases of a plan, before and after each call, and of the images that lie on them."""
    canvases = images = 0
    for group in made.groups:
        for call in group.calls:
            for sizes in (call.step.before, call.step.after):
                height, width = shape_of(sizes)
                canvases += len(sizes) * height * width
                images += sum(height * width for height, width in sizes)
    return canvases, images


@pytest.mark.parametrize("count", [12, 24, 48])
def test_canvases_have_at_most_twice_the_pixels_of_the_images_on_them(count):
    for seed in range(12):
        canvases, images = pixels(make_plan(drawn(count, seed), (count, 3, 400, 400)))
        assert canvases <= 2 * images


def test_a_large_batch_is_divided_so_that_its_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(plan, "LARGEST", 60 * 60 * 2)
    images, recipes = noise_images(10, 40), drawn(10)
    made = make_plan(recipes, images.shape)
    for group in made.groups:
        sizes = [size for call in group.calls for size in (*call.step.before, *call.step.after)]
        height, width = shape_of(sizes)
        assert len(group.seeds) * height * width <= 60 * 60 * 2
    monkeypatch.undo()
    assert len(made.groups) > len(make_plan(recipes, images.shape).groups)
    assert torch.equal(degrade(images, made), degrade(images, make_plan(recipes, images.shape)))


def test_jpeg_waits_for_the_images_that_have_it_later(monkeypatch):
    monkeypatch.setattr(plan, "GROUPS", 1)
    ends = {step.op: recipe for recipe in drawn(60) for step in recipe.steps[-1:]}
    recipes = [ends["jpeg"], ends["sinc"]]  # the last JPEG after and before the last resize
    (group,) = make_plan(recipes, (2, 3, 400, 400)).groups
    assert [len(call.places) for call in group.calls if call.form is JpegBatch] == [2, 2]


def test_tf32_is_off_at_a_convolution_and_comes_back(monkeypatch):
    settings = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
    seen = []

    def recorded(real, *args, **options):
        seen.append([setting.fp32_precision for setting in settings])
        return real(*args, **options)

    for name in ("filter2d", "filter2d_separable"):
        monkeypatch.setattr(kornia.filters, name, partial(recorded, getattr(kornia.filters, name)))
    before = [s.fp32_precision for s in settings]
    try:
        for asked in ("tf32", "ieee"):
            for setting in settings:
                setting.fp32_precision = asked
            degrade(noise_images(3, 64), make_plan(drawn(3), (3, 3, 64, 64)))
            tensors.filter_by_kornia(torch.rand(1, 3, 9, 9), torch.rand(1, 5))
            assert seen and all(each == ["ieee", "ieee"] for each in seen)
            assert [s.fp32_precision for s in settings] == [asked, asked]
            seen.clear()
    finally:
        for setting, precision in zip(settings, before, strict=True):
            setting.fp32_precision = precision
