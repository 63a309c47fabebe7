"""Pages of HTML: of one run, written while it trains, and of several runs side by side."""

from wildsr.apps.report.callback import Report
from wildsr.apps.report.comparing import write_comparison
from wildsr.apps.report.page import write_report
from wildsr.apps.report.runs import find_runs

__all__ = ["Report", "find_runs", "write_comparison", "write_report"]
