"""Every resource that can carry tags carries the three (R16)."""

from __future__ import annotations

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from tests.synthesis import Synthesized

EXPECTED = {
    "Environment": "production",
    "Team": "payments",
    "CostCenter": "payments-production",
}


def tag_property(resource_type: str) -> str | None:
    """The property that holds a type's tags, as CloudFormation's own schema tells."""
    if resource_type.startswith("Custom::"):
        return None
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource_type).schema
    tagging = schema.get("tagging", {})
    if not tagging.get("taggable", schema.get("taggable", False)):
        return None
    path = tagging.get("tagProperty", "/properties/Tags")
    assert isinstance(path, str)
    return path.removeprefix("/properties/")


def test_every_taggable_resource_carries_the_three_tags(synthesized: Synthesized) -> None:
    untagged = []
    checked = set()
    for layer, logical_id, resource in synthesized.resources():
        name = tag_property(resource["Type"])
        if name is None:
            continue
        checked.add(resource["Type"])
        tags = resource["Properties"].get(name, [])
        if isinstance(tags, list):
            tags = {tag["Key"]: tag["Value"] for tag in tags}
        if not EXPECTED.items() <= tags.items():
            untagged.append(f"{layer}/{logical_id} ({resource['Type']})")
    assert len(checked) >= 25
    assert not untagged, "without the tags of R16:\n" + "\n".join(untagged)
