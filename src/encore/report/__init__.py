"""The report: look instead of read."""

from encore.report.report import Report, report

__all__ = ["Report", "report"]
