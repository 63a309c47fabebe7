"""Pages of HTML: of one run, written while it trains, of several runs side by side, and of a judgement."""

from wildsr.reports.callback import Report
from wildsr.reports.comparing import write_comparison
from wildsr.reports.judging import Windows, write_judgement
from wildsr.reports.page import write_report
from wildsr.reports.runs import find_runs

__all__ = ["Report", "Windows", "find_runs", "write_comparison", "write_judgement", "write_report"]
