"""The loggers of a run: installed, and for wandb whether it will be online."""

from __future__ import annotations

import importlib.util

from omegaconf import DictConfig

from wildsr.apps.doctor.findings import ERROR, OK, Finding, collect_findings
from wildsr.training.loggers import wandb_mode

PACKAGES = ("wandb", "tensorboard")  # loggers that are a package of this name, and an extra of ours
MEANING = {
    "online": "online, as there is a key",
    "offline": "offline, for want of a key or by WANDB_MODE: nothing leaves this machine until `wandb sync`",
    "disabled": "WANDB_MODE=disabled records nothing",
}


def check_loggers(cfg: DictConfig) -> list[Finding]:
    """Say what each logger of the configuration would do."""
    findings, well = list[Finding](), []
    for name in cfg.logger:
        if name in PACKAGES and importlib.util.find_spec(name) is None:
            findings.append(Finding(ERROR, "logger", f"{name} is not installed", f"pip install 'wildsr[{name}]'"))
        elif name == "wandb":
            with collect_findings(findings, "logger"):
                mode = wandb_mode()
                findings.append(Finding(OK, "logger", f"wandb: {MEANING.get(mode, mode)}"))
        else:
            well.append(str(name))
    if well:
        findings.insert(0, Finding(OK, "logger", ", ".join(well)))
    return findings
