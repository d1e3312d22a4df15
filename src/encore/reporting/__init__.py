"""The report: one page that shows what the ratings say."""

from encore.reporting.report import Report, report

__all__ = ["Report", "report"]
