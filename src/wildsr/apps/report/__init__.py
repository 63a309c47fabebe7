"""Pages of HTML: of one run, written while it trains, and of several runs side by side.

`Report` is a callback of Lightning's, imported when it is asked for: a page of a finished run needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wildsr.apps.report.comparing import write_comparison
from wildsr.apps.report.page import write_report
from wildsr.apps.report.runs import find_runs

if TYPE_CHECKING:
    from wildsr.apps.report.callback import Report

__all__ = ["Report", "find_runs", "write_comparison", "write_report"]


def __getattr__(name: str) -> Any:
    if name != "Report":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.callback").Report
