"""The observability layer: who learns of what, and when."""

from nested.observability.stack import ObservabilityNestedStack, ObservabilityOutputs

__all__ = ["ObservabilityNestedStack", "ObservabilityOutputs"]
