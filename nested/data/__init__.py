"""The data layer: what must not be lost."""

from nested.data.stack import DataNestedStack, DataOutputs

__all__ = ["DataNestedStack", "DataOutputs"]
