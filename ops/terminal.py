"""Where commands print: what they found, and what they are doing meanwhile."""

from __future__ import annotations

from command_line.console import out, told

__all__ = ["out", "told"]
