"""The network layer: a VPC of production's own, with every rule in one place."""

from nested.network.stack import NetworkNestedStack, NetworkOutputs

__all__ = ["NetworkNestedStack", "NetworkOutputs"]
