"""The figures of merit by name: what `metrics` in the configuration, and validation, can choose from."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from torchmetrics import Metric

from wildsr.metrics.fidelity import PSNR, SSIM
from wildsr.metrics.learned import LearnedDistance, learned_network
from wildsr.metrics.niqe import NIQE
from wildsr.rules import one_of, several


class MetricDisplay(NamedTuple):
    """How a metric is shown: its label, what a better value is, and its digits behind the point."""

    label: str
    meaning: str
    digits: int


METRICS: Mapping[str, MetricDisplay] = {
    "psnr_y": MetricDisplay("PSNR-Y", "dB, higher is closer", 2),
    "ssim_y": MetricDisplay("SSIM-Y", "higher is closer", 4),
    "psnr_rgb": MetricDisplay("PSNR-RGB", "dB, higher is closer", 2),
    "ssim_rgb": MetricDisplay("SSIM-RGB", "higher is closer", 4),
    "lpips": MetricDisplay("LPIPS", "lower is closer", 4),
    "dists": MetricDisplay("DISTS", "lower is closer", 4),
    "niqe": MetricDisplay("NIQE", "lower looks more natural", 2),  # on luma, as papers quote it
    "niqe_rgb2gray": MetricDisplay("NIQE-rgb2gray", "lower looks more natural", 2),  # as NIQE's authors measured
}
WITHOUT_REFERENCE = ("niqe", "niqe_rgb2gray")
FEW = 5  # images; the mean of fewer says more about the pictures than about what was done to them


def chosen_metrics(names: Sequence[str], border: int, reference: bool = True) -> dict[str, Metric]:
    """Build metrics by name, in the order given, each measuring inside a border of so many pixels.

    Args:
        reference: whether there is an HQ to compare with; without one, those that need it are left out.

    Returns:
        Without lpips and dists where their weights cannot be had, which one line on stderr says.

    Raises:
        UserError: there is no metric of such a name, or no name.
    """
    several(one_of(*METRICS))("metrics", names if isinstance(names, str) else list(names))
    makers: dict[str, Callable[[], Metric]] = {
        "psnr_y": lambda: PSNR("y", border),
        "ssim_y": lambda: SSIM("y", border),
        "psnr_rgb": lambda: PSNR("rgb", border),
        "ssim_rgb": lambda: SSIM("rgb", border),
        "niqe": lambda: NIQE(border),
        "niqe_rgb2gray": lambda: NIQE(border, grey="rgb2gray"),
    }
    found: dict[str, Metric] = {}
    for name in names:
        if not reference and name not in WITHOUT_REFERENCE:
            continue
        if name in makers:
            found[name] = makers[name]()
        elif (network := learned_network(name)) is not None:
            found[name] = LearnedDistance(network, border)
    return found
