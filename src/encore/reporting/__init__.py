"""The report: look instead of read."""

from encore.reporting.report import Report, report

__all__ = ["Report", "report"]
