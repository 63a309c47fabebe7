"""Codecs that run on the CPU: an image handed to one as bytes, and whether its build is the one of the recipe."""

# C = 1 or 3, H W image

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from wildsr.degradation.tensors import in_float32

log = logging.getLogger(__name__)


@in_float32
def code_bytes(image: Tensor, code: Callable[[Any], Any]) -> Tensor:
    """Code an image on the CPU: (C, H, W) about [0, 1] -> the same, on 8-bit levels in [0, 1], where the image is.

    Args:
        code: (H, W, 3) uint8, an array, to the same. Grey goes as three equal channels, and comes back as their mean.
    """
    levels = (image * 255).round_().clamp_(0, 255).byte().cpu()
    coded = torch.from_numpy(code(levels.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy()))
    coded = coded.permute(2, 0, 1).to(image.device).float()
    return (coded if len(image) == 3 else coded.mean(0, keepdim=True).round_()).div_(255)


@cache  # once a process
def compare_builds(recorded: str | None, here: str) -> None:
    """Say that a recipe was made with another build of a codec: its pixels may differ. None: it does not say."""
    if recorded not in (None, here):
        log.warning("a recipe was made with %s, here is %s: its pixels may differ", recorded, here)
