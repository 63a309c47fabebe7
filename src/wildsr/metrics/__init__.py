"""Figures of merit: PSNR and SSIM against a reference, NIQE without one."""

from wildsr.metrics.fidelity import PSNR, SSIM
from wildsr.metrics.niqe import NIQE

__all__ = ["NIQE", "PSNR", "SSIM"]
