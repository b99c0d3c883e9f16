"""What takes the protection from a failed creation's record stands before all that may fail."""

from __future__ import annotations

from typing import Any

from tests.synthesis import LAYERS, Synthesized
from tests.templates.test_wiring import stacks_named_in

PROTECTION = "Custom::TerminationProtection"


def waited_for(name: str, resources: dict[str, Any]) -> set[str]:
    """The resources of the root that stand before this one: its references' references too."""
    found: set[str] = set()
    waiting = {name}
    while waiting:
        resource = resources[waiting.pop()]
        named = stacks_named_in(resource.get("Properties", {})) | set(resource.get("DependsOn", []))
        new = (named & resources.keys()) - found
        found |= new
        waiting |= new
    return found


def test_it_stands_before_every_layer_and_waits_for_none(synthesized: Synthesized) -> None:
    resources = synthesized.root["Resources"]
    (first,) = (name for name, each in resources.items() if each["Type"] == PROTECTION)
    layers = {f"{layer.capitalize()}NestedStack" for layer in LAYERS}
    for name in (*layers, "ProductionSeal"):
        assert first in waited_for(name, resources), name
    assert not waited_for(first, resources) & layers


def test_what_else_may_fail_in_the_root_comes_after_it(synthesized: Synthesized) -> None:
    """All but what it stands on itself (key, boundary, its own function) and the key's alias."""
    resources = synthesized.root["Resources"]
    (first,) = (name for name, each in resources.items() if each["Type"] == PROTECTION)
    beside = {
        each["Type"]
        for name, each in resources.items()
        if name not in {first, *waited_for(first, resources)}
        and first not in waited_for(name, resources)
    }
    assert beside == {"AWS::KMS::Alias"}


def test_it_is_about_the_root_stack(synthesized: Synthesized) -> None:
    assert synthesized.only(PROTECTION)["StackId"] == {"Ref": "AWS::StackId"}
