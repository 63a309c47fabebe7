"""The metrics by name: what `metrics` in the configuration, and validation, can choose from."""

import re
from collections.abc import Callable, Mapping, Sequence

from torchmetrics import Metric

from wildsr.checks import checked_choice, checked_list
from wildsr.io import ConfigError
from wildsr.metrics.base import needs_hq
from wildsr.metrics.fidelity import PSNR, SSIM
from wildsr.metrics.learned import LearnedDistance, learned_network
from wildsr.metrics.niqe import NIQE
from wildsr.scores import LEFT_OUT, METRICS, WITHOUT_REFERENCE, MetricDisplay

BETTER = {True: "higher is better", False: "lower is better", None: ""}  # by torchmetrics' `higher_is_better`


def own_displays(metrics: Mapping[str, Metric]) -> dict[str, MetricDisplay]:
    """Return how those metrics are shown that are a user's own: by `label`, `digits` and `higher_is_better`."""
    return {
        name: MetricDisplay(
            str(getattr(metric, "label", name)), BETTER[metric.higher_is_better], int(getattr(metric, "digits", 4))
        )
        for name, metric in metrics.items()
        if name not in METRICS
    }


def check_own(own: Mapping[str, object]) -> None:
    """Check metrics of a user's own.

    Raises:
        UserError: one is no torchmetrics Metric, or its name is taken or no word.
    """
    for name, metric in own.items():
        if name in METRICS or name.endswith(LEFT_OUT) or not re.fullmatch(r"\w+", name):
            raise ConfigError(f"metric.{name}: wanted a name of letters, digits and _, not of {', '.join(METRICS)}")
        if not isinstance(metric, Metric):
            raise ConfigError(f"metric.{name}: given a {type(metric).__name__}, wanted a torchmetrics.Metric")


def chosen_metrics(
    names: Sequence[str], border: int, reference: bool = True, own: Mapping[str, Metric] | None = None
) -> dict[str, Metric]:
    """Build metrics by name, in the order given, each measuring inside a border of so many pixels.

    Args:
        reference: whether there is an HQ to compare with; without one, those that need it are left out.
        own: further metrics by name, of a user's own; they look after the border themselves.

    Returns:
        Without lpips and dists where their weights cannot be had, which one line on stderr says.

    Raises:
        UserError: there is no metric of such a name, or no name.
    """
    own = own or {}
    check_own(own)
    for name in checked_list("metrics", names if isinstance(names, str) else list(names)):
        checked_choice("metrics", name, (*METRICS, *own))
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
        if name in own:
            if reference or not needs_hq(own[name]):
                found[name] = own[name].clone()
            continue
        if not reference and name not in WITHOUT_REFERENCE:
            continue
        if name in makers:
            found[name] = makers[name]()
        elif (network := learned_network(name)) is not None:
            found[name] = LearnedDistance(network, border)
    return found
