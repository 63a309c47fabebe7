"""Networks as methods of `wildsr evaluate`: each on its backend, beside bicubic, on the sets of its scale.

Shapes: C = 1 or 3, h w LQ image, H = h * scale.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wildsr.apps.common.progress import Bar
from wildsr.apps.evaluate.arguments import import_metrics
from wildsr.apps.evaluate.evaluator import Evaluator, Method, bicubic
from wildsr.apps.evaluate.windows import Windows
from wildsr.apps.upscale.backends import open_backend
from wildsr.apps.upscale.enlarging import UpscaleOptions, fitting_tile
from wildsr.apps.upscale.images.content import ImageContent
from wildsr.data import ValidationSet
from wildsr.io import UserError
from wildsr.networks.tiling import Upscaler, upscale

log = logging.getLogger(__name__)


def check_scales(networks: Mapping[str, Any], sets: Mapping[str, ValidationSet]) -> None:
    """Warn of networks that are left out of a set.

    Raises:
        UserError: a set has no network of its scale.
    """
    for name, images in sets.items():
        others = [f"{one} (x{network.scale})" for one, network in networks.items() if network.scale != images.scale]
        if len(others) == len(networks):
            raise UserError(
                f"the set {name} is x{images.scale}: given {', '.join(others)}, wanted weights of its scale"
            )
        for other in others:
            log.warning("%s is left out of %s, which is x%d", other, name, images.scale)


def build_evaluators(
    given: argparse.Namespace,
    networks: Mapping[str, Any],
    sets: Mapping[str, ValidationSet],
    device: torch.device,
    bar: Bar,
    windows: Windows,
) -> list[Evaluator]:
    """Build an evaluator a set: of bicubic, and the networks of its scale.

    Args:
        windows: of the images that the page shows.

    Raises:
        UserError: a backend cannot run a network.
    """
    opened = {name: open_backend(network, given.backend, device, given.half) for name, network in networks.items()}
    evaluators = []
    for name, images in sets.items():
        fitting = {method: network for method, network in networks.items() if network.scale == images.scale}
        sizes = {method: sum(p.numel() for p in network.parameters()) for method, network in fitting.items()}
        methods: dict[str, Method] = {"bicubic": bicubic(images.scale)}
        for method in fitting:
            share = sizes[method] / sum(sizes.values())  # of the time, about
            methods[method] = method_of(opened[method], share, bar)
        border = images.scale if given.border is None else given.border
        own = import_metrics(given.own, border)
        evaluators.append(Evaluator(name, images, methods, given.metrics, border, device, windows, own))
    return evaluators


def method_of(upscaler: Upscaler, share: float, bar: Bar) -> Method:
    """Return a network on its backend as a method, in tiles as large as memory allows.

    Args:
        share: of the time that an image takes, for the bar.
    """

    def upscaled(lq: Tensor) -> Tensor:
        height, width = lq.shape[-2:]
        sr = upscale(
            upscaler, lq[0], fitting_tile(upscaler, ImageContent(lq[0]), UpscaleOptions()),
            done=lambda pixels: bar.advance(share * pixels / (height * width), pixels * upscaler.scale**2 / 1e6),
        )  # fmt: skip
        return sr[None]

    return upscaled
