"""`wildsr dashboard`: the panels of a run, laid out on wandb."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from wildsr.io import UserError, first_line

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Workspace

PLUGIN = "wandb-workspaces==0.4.13"

STEP = "trainer/global_step"  # the iteration, as Lightning's wandb logger calls it
COMPARED = "The runs compared"
EXPLAINED = """One bar is one run: the scores that its last stage ended with, on the validation images, logged by
the wandb run of job type `evaluation` in its group. The others of a group are its stages, and draw the curves below.

Higher PSNR-Y is closer to HQ, lower NIQE looks more natural; neither alone decides."""
# Title -> a value of the summary, a bar a run
BARS = {
    "PSNR-Y of the last stage in dB, higher is closer": "score/psnr_y",
    "its gain over bicubic in dB": "gain/psnr_y",
    "NIQE of the last stage, lower looks more natural": "score/niqe",
}
COLUMNS = ["score/psnr_y", "gain/psnr_y", "score/ssim_y", "score/niqe"]  # beside each run's name
# Section -> title of a panel -> what it draws, by the names that training logs.
SECTIONS: dict[str, dict[str, list[str]]] = {
    "Is it getting better": {
        "PSNR-Y in dB, higher is closer": ["val/psnr_y"],
        "SSIM-Y, higher is closer": ["val/ssim_y"],
        "NIQE, lower looks more natural (never alone: it rewards noise)": ["val/niqe"],
        "page, lines, mesh, brick, drawing, text (hard): PSNR-Y in dB": ["val/hard/psnr_y"],
    },
    "Losses": {
        "pixel": ["loss/pixel"],
        "perceptual": ["loss/perceptual"],
        "adversarial": ["loss/adversarial"],
        "discriminator (a draw: vanilla 1.39, hinge 2, least squares 0.25)": ["loss/discriminator"],
    },
    "The adversarial game": {
        "mean logits": ["discriminator/real", "discriminator/fake"],
        "spread of the logits": ["discriminator/real_std", "discriminator/fake_std"],
        "gradient norms": ["grad_norm/generator", "grad_norm/discriminator"],
        "learning rates": ["lr/generator", "lr/discriminator"],
    },
    "Speed": {
        "images a second": ["speed/images_per_second"],
        "share of the time spent on data": ["speed/data_share"],
        "peak memory in GB": ["memory/peak_gb"],
    },
}
IMAGE_KEYS = ["panels", "hard examples"]


def main(given: argparse.Namespace) -> int:
    """Lay the dashboard out. Returns the exit code."""
    laid_out = workspace(given.entity, given.project, given.name, given.run)
    try:
        laid_out.save()
    except Exception as error:  # wandb answers a missing key, project or network with types of its own
        raise UserError(f"wandb does not take the dashboard ({first_line(error)}); wanted: wandb login") from error
    print(laid_out.url)
    return 0


def workspace(entity: str, project: str, name: str, run: str | None = None) -> Workspace:
    """Build the dashboard, of all runs or of those of one name; it is not saved yet.

    Raises:
        UserError: the package that builds it is not installed.
    """
    try:
        from wandb_workspaces import workspaces
        from wandb_workspaces.reports import v2 as panels
    except ImportError as error:
        raise UserError(f"dashboards need a package of wandb's: pip install {PLUGIN}") from error
    bars = [panels.BarPlot(title=title, metrics=[panels.SummaryMetric(key)]) for title, key in BARS.items()]
    psnr, niqe = panels.SummaryMetric("score/psnr_y"), panels.SummaryMetric("score/niqe")
    compared: list[Any] = [
        panels.MarkdownPanel(markdown=EXPLAINED),
        *bars,
        panels.ScatterPlot(title="PSNR-Y against NIQE: best is at the lower right", x=psnr, y=niqe),
        panels.MediaBrowser(title="LQ, bicubic, each stage, HQ", media_keys=["comparison"]),
        panels.WeavePanelSummaryTable(table_name="scores"),
        panels.RunComparer(diff_only="split"),
    ]
    sections = [workspaces.Section(name=COMPARED, panels=compared, is_open=True, pinned=True)]
    sections += [
        workspaces.Section(
            name=title,
            panels=[panels.LinePlot(title=head, x=STEP, y=list(names)) for head, names in plots.items()],
            is_open=True,
        )
        for title, plots in SECTIONS.items()
    ]
    images: list[Any] = [panels.MediaBrowser(media_keys=[key]) for key in IMAGE_KEYS]
    sections.append(workspaces.Section(name="Images", panels=images, is_open=True))
    shown = workspaces.RunsetSettings(
        filters=[] if run is None else [workspaces.Config("name") == run],
        order=[workspaces.Ordering(workspaces.Summary("score/psnr_y"), ascending=False)],
        pinned_columns=[f"summary:{key}" for key in COLUMNS],
    )
    settings = workspaces.WorkspaceSettings(x_axis=STEP)
    return workspaces.Workspace(
        entity=entity, project=project, name=name, sections=sections, settings=settings, runset_settings=shown
    )
