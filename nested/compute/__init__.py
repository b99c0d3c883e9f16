"""The compute layer: the three payment functions and their API."""

from nested.compute.stack import ComputeNestedStack, ComputeOutputs

__all__ = ["ComputeNestedStack", "ComputeOutputs"]
