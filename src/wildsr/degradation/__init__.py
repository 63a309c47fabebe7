"""Degradation of photographs: a spec is drawn into a recipe, a recipe is applied to an image."""

from wildsr.degradation.batched.plan import Plan, make_plan
from wildsr.degradation.kernels import KernelSpec, render_kernel
from wildsr.degradation.libjpeg import jpeg
from wildsr.degradation.operations import DrawContext
from wildsr.degradation.pipeline import Degradation, degrade, trace
from wildsr.degradation.recipe import Recipe, Step
from wildsr.degradation.sharpening import SharpenSpec, sharpen
from wildsr.degradation.spec import DegradationSpec, OrderSpec

__all__ = [
    "Degradation",
    "DegradationSpec",
    "DrawContext",
    "KernelSpec",
    "OrderSpec",
    "Plan",
    "Recipe",
    "SharpenSpec",
    "Step",
    "degrade",
    "jpeg",
    "make_plan",
    "render_kernel",
    "sharpen",
    "trace",
]
