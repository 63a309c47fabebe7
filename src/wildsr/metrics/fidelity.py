"""PSNR and SSIM as super-resolution papers report them: on 8-bit levels, image by image, then the mean."""

# B batch, C = 1 or 3, H W image

from typing import Literal, get_args

from kornia.metrics import ssim
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from wildsr.checks import checked_choice
from wildsr.io import UserError
from wildsr.metrics.base import ImageMetric
from wildsr.metrics.pixels import luma, pair_levels

Channels = Literal["y", "rgb"]
# Wang, Bovik, Sheikh, Simoncelli 2004: an 11-tap window of sigma 1.5 (kornia's own), wholly inside the image.
WINDOW = 11


class Fidelity(ImageMetric):
    """Compare images with their references, on 8-bit levels; higher is better.

    Args:
        channels: "y" compares the luma, "rgb" all channels with equal weight; the same for grey images.
        border: pixels cut off each side before measuring; papers cut off as many as the scale.

    Raises:
        UserError: other channels.
    """

    higher_is_better = True

    def __init__(self, channels: Channels = "y", border: int = 0) -> None:
        super().__init__()
        self.channels, self.border = checked_choice("channels", channels, get_args(Channels)), border

    def compared(self, sr: Tensor, hq: Tensor) -> tuple[Tensor, Tensor]:
        """Return both images' 8-bit levels, or the luma of these, inside the border; (B, 1 or C, H, W) float64."""
        sr, hq = pair_levels(sr, hq, self.border)
        return (luma(sr), luma(hq)) if self.channels == "y" else (sr, hq)


class PSNR(Fidelity):
    """Measure the mean peak signal-to-noise ratio over images, in dB; higher is better.

    The mean of each image's PSNR, not the PSNR of the pooled error. That of equal images is infinite, and left out.

    Example:
        >>> import torch
        >>> black, dark = torch.zeros(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.1)
        >>> round(PSNR(channels="rgb")(dark, black).item(), 2)  # 20 log10(255 / 26): a file holds 0.1 as 26
        19.83
    """

    def update(self, sr: Tensor, hq: Tensor) -> None:
        """Score each image; both (B, C, H, W) or (C, H, W) float in [0, 1].

        Raises:
            ValueError: the shapes differ, or are not as above.
            UserError: the border leaves nothing.
        """
        sr, hq = self.compared(sr, hq)
        scores = peak_signal_noise_ratio(sr, hq, data_range=255.0, dim=(1, 2, 3), reduction="none")
        self.add(scores)


class SSIM(Fidelity):
    """Measure the mean structural similarity over images, at most 1; higher is better.

    Example:
        >>> import torch
        >>> image = torch.rand(1, 3, 16, 16)
        >>> SSIM()(image, image).item()
        1.0
    """

    def update(self, sr: Tensor, hq: Tensor) -> None:
        """Score each image; both (B, C, H, W) or (C, H, W) float in [0, 1].

        Raises:
            ValueError: the shapes differ, or are not as above.
            UserError: a side inside the border is below 11 px.
        """
        sr, hq = self.compared(sr, hq)
        height, width = sr.shape[-2:]
        if min(height, width) < WINDOW:
            raise UserError(f"SSIM got {height} x {width} px inside the border; wanted at least {WINDOW} px a side")
        scores = ssim(sr, hq, WINDOW, max_val=255.0, padding="valid").mean(dim=(1, 2, 3))
        self.add(scores)
