"""Figures of merit: PSNR, SSIM, LPIPS and DISTS against a reference, NIQE without one."""

from wildsr.metrics.choice import chosen_metrics
from wildsr.metrics.fidelity import PSNR, SSIM
from wildsr.metrics.niqe import NIQE
from wildsr.scores import FEW, METRICS, MetricDisplay, display_of, metric_names

__all__ = ["FEW", "METRICS", "NIQE", "PSNR", "SSIM", "MetricDisplay", "chosen_metrics", "display_of", "metric_names"]
