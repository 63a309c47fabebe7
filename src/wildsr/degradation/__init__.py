"""Degradation of photographs: a spec is drawn into a recipe, a recipe is applied to an image."""

from wildsr.degradation.kernels import render_kernel
from wildsr.degradation.libjpeg import jpeg
from wildsr.degradation.ops import sharpen
from wildsr.degradation.pipeline import Degradation, degrade
from wildsr.degradation.recipe import Recipe
from wildsr.degradation.spec import DegradationSpec, SharpenSpec

__all__ = ["Degradation", "DegradationSpec", "Recipe", "SharpenSpec", "degrade", "jpeg", "render_kernel", "sharpen"]
