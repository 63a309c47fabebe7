"""`wildsr dashboard`: the panels of a run, laid out on wandb."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from wildsr.io import UserError, first_line

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Workspace

PLUGIN = "wandb-workspaces==0.4.13"

STEP = "trainer/global_step"  # the iteration, as Lightning's wandb logger calls it
# Section -> title of a panel -> what it draws, by the names that training logs.
SECTIONS: dict[str, dict[str, list[str]]] = {
    "Is it getting better": {
        "PSNR-Y in dB, higher is closer": ["val/psnr_y"],
        "SSIM-Y, higher is closer": ["val/ssim_y"],
        "NIQE, lower looks more natural (never alone: it rewards noise)": ["val/niqe"],
        "hard cases: PSNR-Y in dB": ["val/hard/psnr_y"],
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
    laid_out = workspace(given.entity, given.project, given.name)
    try:
        laid_out.save()
    except Exception as error:  # wandb answers a missing key, project or network with types of its own
        raise UserError(f"wandb does not take the dashboard ({first_line(error)}); wanted: wandb login") from error
    print(laid_out.url)
    return 0


def workspace(entity: str, project: str, name: str) -> Workspace:
    """Build the dashboard; it is not saved yet.

    Raises:
        UserError: the package that builds it is not installed.
    """
    try:
        from wandb_workspaces import workspaces
        from wandb_workspaces.reports import v2 as panels
    except ImportError as error:
        raise UserError(f"dashboards need a package of wandb's: pip install {PLUGIN}") from error
    sections = [
        workspaces.Section(
            name=title,
            panels=[panels.LinePlot(title=head, x=STEP, y=list(names)) for head, names in plots.items()],
            is_open=True,
        )
        for title, plots in SECTIONS.items()
    ]
    images = workspaces.Section(
        name="Images", panels=[panels.MediaBrowser(media_keys=[key]) for key in IMAGE_KEYS], is_open=True
    )
    settings = workspaces.WorkspaceSettings(x_axis=STEP)
    return workspaces.Workspace(
        entity=entity, project=project, name=name, sections=[*sections, images], settings=settings
    )
