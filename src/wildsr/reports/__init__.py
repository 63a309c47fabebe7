"""Reports of runs as pages of HTML: one run's own, written while it trains, and several runs side by side."""

from wildsr.reports.callback import Report
from wildsr.reports.comparing import write_comparison
from wildsr.reports.page import write_report
from wildsr.reports.runs import find_runs

__all__ = ["Report", "find_runs", "write_comparison", "write_report"]
