"""Colours that alpha hides."""

from __future__ import annotations

import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor


def fill_transparent(colour: Tensor, alpha: Tensor) -> Tensor:
    """Give every pixel that is not seen at all the colour of the nearest one that is.

    What is not seen usually is black, and a network, or any filter, would draw it into the edge of what is. A pixel
    that is seen a little keeps its colour: it is part of the image.

    Args:
        colour: (C, H, W).
        alpha: (1, H, W), 0 where nothing is seen.

    Returns:
        The colour itself where all pixels are seen, or none.
    """
    unseen = (alpha[0] == 0).numpy()
    if not unseen.any() or unseen.all():
        return colour
    rows, columns = distance_transform_edt(unseen, return_distances=False, return_indices=True)
    return torch.from_numpy(colour.numpy()[:, rows, columns])
