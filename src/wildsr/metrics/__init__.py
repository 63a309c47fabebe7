"""Figures of merit: PSNR, SSIM, LPIPS and DISTS against a reference, NIQE without one."""

from wildsr.metrics.choice import chosen_metrics
from wildsr.metrics.fidelity import PSNR, SSIM
from wildsr.metrics.niqe import NIQE
from wildsr.scores import METRICS, MetricDisplay, display_of

__all__ = ["METRICS", "NIQE", "PSNR", "SSIM", "MetricDisplay", "chosen_metrics", "display_of"]
