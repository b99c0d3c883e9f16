"""The data layer: what must not be lost."""

from nested.data.production_seal import ProductionSeal
from nested.data.stack import DataNestedStack, DataOutputs

__all__ = ["DataNestedStack", "DataOutputs", "ProductionSeal"]
