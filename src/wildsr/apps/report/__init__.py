"""Pages of HTML: of one run, written while it trains, and of several runs side by side.

Each name is imported when it is asked for: `Report` is a callback and needs torch, which pages of finished runs do not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wildsr.apps.report.callback import Report
    from wildsr.apps.report.comparing import write_comparison
    from wildsr.apps.report.page import write_report
    from wildsr.apps.report.runs import find_runs

__all__ = ["Report", "find_runs", "write_comparison", "write_report"]
FILES = {"Report": "callback", "find_runs": "runs", "write_comparison": "comparing", "write_report": "page"}


def __getattr__(name: str) -> Any:
    if name not in FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{FILES[name]}"), name)
