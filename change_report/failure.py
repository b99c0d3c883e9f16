"""What is told to the user in a sentence or two."""

from __future__ import annotations


class ReportError(Exception):
    """The report cannot be made, or the deployment failed; the text says why and what to do."""
