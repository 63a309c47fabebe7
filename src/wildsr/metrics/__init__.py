"""Figures of merit: PSNR, SSIM, LPIPS and DISTS against a reference, NIQE without one."""

from wildsr.metrics.choice import chosen_metrics
from wildsr.metrics.fidelity import PSNR, SSIM
from wildsr.metrics.niqe import NIQE

__all__ = ["NIQE", "PSNR", "SSIM", "chosen_metrics"]
