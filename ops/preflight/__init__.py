"""`preflight`: whether a deployment would go through, before it takes half an hour."""

from ops.preflight.command import command

__all__ = ["command"]
