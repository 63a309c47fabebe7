"""The end of a run on wandb: a wandb run of its own in the run's group, which a project's page compares runs by."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import WandbLogger
from omegaconf import OmegaConf

from wildsr.apps.evaluate.files import COMPARISON, Scores
from wildsr.apps.evaluate.labels import method_label
from wildsr.apps.evaluate.tables import metric_names
from wildsr.checks import checked_choice
from wildsr.io import CONFIG, GENERATOR, UserError, first_line
from wildsr.scores import Displays, display_of
from wildsr.training.loggers import finish

log = logging.getLogger(__name__)

EVALUATION = "evaluation"  # its job_type, and its folder in the run's
ARTIFACTS = ("report", "generator")
TABLE = "scores"


class WandbPublisher:
    """Log the closing scores of a run: as a summary, a table, the comparison; files as artifacts where asked for.

    The summary has `score/<metric>` of the last stage, `gain/<metric>` over bicubic, and each method's own, such as
    `bicubic/psnr_y` and `psnr stage/psnr_y`.

    Args:
        logger: makes a logger that writes to a `folder`.
        artifacts: which of ARTIFACTS wandb keeps.

    Raises:
        UserError: there is no such artifact.
    """

    def __init__(self, logger: Callable[..., WandbLogger], artifacts: Sequence[str] = ()) -> None:
        self.logger = logger
        self.artifacts = [checked_choice("evaluate.publish.artifacts", name, ARTIFACTS) for name in artifacts]

    def __call__(
        self, run: Path, stage: str, row: str, scores: Scores, displays: Displays, report: Path | None
    ) -> None:
        """Log what a run ended with. What keeps wandb from taking it is a warning: the run itself is finished.

        Args:
            run: its folder.
            stage, row: its last stage, and the name of that in the scores.
            report: its page.
        """
        import wandb

        try:
            logger = self.logger(folder=str(run / EVALUATION))
            experiment = logger.experiment
            config: Any = OmegaConf.to_container(OmegaConf.load(run / stage / CONFIG))
            logger.log_hyperparams(config)
            experiment.summary.update(summary_of(scores, row))
            columns, data = table_of(scores, displays)
            experiment.log({TABLE: wandb.Table(columns=columns, data=data)})
            if (run / COMPARISON).is_file():
                experiment.log({"comparison": wandb.Image(str(run / COMPARISON))})
            files = {"report": report, "generator": run / stage / GENERATOR}
            for name in self.artifacts:
                if (file := files[name]) is not None:
                    kept = wandb.Artifact(re.sub(r"[^\w.-]+", "-", f"{experiment.group}-{name}"), type=name)
                    kept.add_file(str(file))
                    experiment.log_artifact(kept)
            finish([logger])
        except (wandb.errors.Error, UserError, OSError) as error:
            log.warning("warning: the scores are not on wandb: %s", first_line(error))


def summary_of(scores: Scores, row: str, baseline: str = "bicubic") -> dict[str, float]:
    """Return the finite means of the main set as one level of names."""
    metrics = [name for name in metric_names(scores[row]) if "/" not in name]
    found = {f"{method}/{name}": values.get(name) for method, values in scores.items() for name in metrics}
    found |= {f"score/{name}": scores[row][name] for name in metrics}
    if baseline in scores:
        found |= {f"gain/{name}": scores[row][name] - scores[baseline].get(name, math.nan) for name in metrics}
    return {key: value for key, value in found.items() if value is not None and math.isfinite(value)}


def table_of(scores: Scores, displays: Displays) -> tuple[list[Any], list[list[Any]]]:
    """Return the columns and rows of the closing table, all sets; what is not finite is empty."""
    names = metric_names(key for values in scores.values() for key in values)
    heads = [name if "/" in name else display_of(name, displays).label for name in names]
    rows = [[values.get(name, math.nan) for name in names] for values in scores.values()]
    data = [[value if math.isfinite(value) else None for value in row] for row in rows]
    return ["method", *heads], [[method_label(method), *row] for method, row in zip(scores, data, strict=True)]
