"""Two trees of templates compared: what CloudFormation would do, as far as templates tell.

It follows values along references: an output of one nested stack, handed to another as a
parameter, changes when the resource behind it is replaced. CloudFormation's own change sets know
more about properties, but less about such values: they stand as unknown in a child's change set
until the deployment has made them (aws-cloudformation/cloudformation-coverage-roadmap#759).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from functools import partial
from typing import Any

from assurance.assembly import NESTED_STACK, StackTemplate, references
from ops.plan.model import Action, Change, Source
from ops.plan.recreation import Path, Properties, Recreation, recreation

# Resource attributes that a deployment acts upon; `Metadata` and `DependsOn` change nothing.
_ATTRIBUTES = ("CreationPolicy", "DeletionPolicy", "UpdatePolicy", "UpdateReplacePolicy")
_KEEPING = ("Retain", "RetainExceptOnCreate", "Snapshot")
# Attributes that name a resource, and so stay as long as it does.
_IDENTITY = re.compile(r"(^|\.)(\w*Arn|\w*Id|\w*Name)$")
# Of other attributes, or against that rule: the properties that their values follow.
_FOLLOWS: Mapping[tuple[str, str], frozenset[str]] = {
    ("AWS::DynamoDB::Table", "StreamArn"): frozenset({"StreamSpecification"}),
    ("AWS::EC2::VPC", "DefaultSecurityGroup"): frozenset(),
    ("AWS::RDS::DBInstance", "Endpoint.Address"): frozenset(),
    ("AWS::RDS::DBInstance", "Endpoint.Port"): frozenset({"Port"}),
    ("AWS::RDS::DBInstance", "MasterUserSecret.SecretArn"): frozenset({"ManageMasterUserPassword"}),
}


class Certainty(IntEnum):
    """How sure it is that a value changes."""

    NO = 0
    POSSIBLE = 1
    YES = 2


def action_of(replacement: Certainty) -> Action:
    """What happens to a resource that changes, by how sure it is that it is replaced."""
    return {
        Certainty.NO: Action.CHANGED,
        Certainty.POSSIBLE: Action.MAY_BE_REPLACED,
        Certainty.YES: Action.REPLACED,
    }[replacement]


class Comparison:
    """One stack as deployed and as wanted, with its children."""

    def __init__(
        self,
        name: str,
        deployed: StackTemplate,
        wanted: StackTemplate,
        parameter: Callable[[str], Certainty] = lambda _: Certainty.NO,
    ) -> None:
        """
        Args:
            name: the stack's place in the tree, such as `PaymentsProd/DataNestedStack`.
            parameter: whether the value that a parameter is set to changes.
        """
        self.name = name
        self._deployed = deployed
        self._wanted = wanted
        self._parameter = parameter
        self._known: dict[str, Change | None] = {}
        self.children = {
            logical_id: Comparison(
                f"{name}/{logical_id}",
                deployed.children.get(logical_id, StackTemplate()),
                wanted.children.get(logical_id, StackTemplate()),
                partial(self._handed_to, logical_id),
            )
            for logical_id in {**wanted.children, **deployed.children}
        }

    def changes(self) -> Iterator[Change]:
        """All changes in this stack and its children, except that a nested stack is updated."""
        for logical_id in {**self._deployed.resources, **self._wanted.resources}:
            change = self.change(logical_id)
            nested = change is not None and change.resource_type == NESTED_STACK
            if change is not None and not (nested and change.action is Action.CHANGED):
                yield change
        for child in self.children.values():
            yield from child.changes()

    def change(self, logical_id: str) -> Change | None:
        """What happens to one resource; None if nothing does."""
        if logical_id not in self._known:
            self._known[logical_id] = self._compare(logical_id)
        return self._known[logical_id]

    def hear(self, change: Change) -> None:
        """Take CloudFormation's word for a change, before anything was asked."""
        self._known[change.logical_id] = change

    def property(self, logical_id: str, name: str) -> Certainty:
        """Whether the value of a property changes of a resource that stays in the template."""
        old, new = self.properties(logical_id)
        return self._value(old.get(name), new.get(name))

    def properties(self, logical_id: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """A resource's properties, as deployed and as wanted."""
        trees = self._deployed, self._wanted
        old, new = (each.resources.get(logical_id, {}).get("Properties", {}) for each in trees)
        return old, new

    def deployed_types(self) -> Mapping[str, str]:
        """The types of the deployed template's resources, by logical id."""
        return {name: resource["Type"] for name, resource in self._deployed.resources.items()}

    def physical_id(self, logical_id: str) -> str | None:
        """What a deployed resource is called in the account, where CloudFormation told."""
        return self._deployed.physical_ids.get(logical_id)

    def replaced_for(self, logical_id: str, name: str) -> Certainty:
        """Whether the change of a property replaces the resource, by its type's schema.

        CloudFormation says that it depends: of a condition, or of what it does not know. What it
        knows of and the templates do not tell stays possible.
        """
        changes = self.property(logical_id, name)
        if changes is Certainty.NO:
            return Certainty.POSSIBLE
        try:
            rules = recreation(self._wanted.resources[logical_id]["Type"])
        except LookupError:
            return Certainty.POSSIBLE
        return self._replacement(rules.about(name), *self.properties(logical_id))

    def at(self, stack: str) -> Comparison:
        """The stack of the tree at a place, as in Change."""
        found = self
        for logical_id in stack.removeprefix(self.name).split("/")[1:]:
            found = found.children[logical_id]
        return found

    def output(self, name: str) -> Certainty:
        """Whether an output's value changes."""
        before, after = self._deployed.outputs.get(name), self._wanted.outputs.get(name)
        if before is None or after is None:
            return Certainty.YES
        return self._value(before["Value"], after["Value"])

    # -- inside --------------------------------------------------------------------------

    def _compare(self, logical_id: str) -> Change | None:
        before = self._deployed.resources.get(logical_id)
        after = self._wanted.resources.get(logical_id)
        if before is None:
            assert after is not None
            return self._changed(logical_id, after, Action.ADDED)
        if after is None:
            kept = before.get("DeletionPolicy") in _KEEPING
            return self._changed(logical_id, before, Action.REMOVED, kept=kept)
        kept = after.get("UpdateReplacePolicy") in _KEEPING
        if before["Type"] != after["Type"]:
            return self._changed(logical_id, after, Action.REPLACED, ("Type",), kept)
        old, new = before.get("Properties", {}), after.get("Properties", {})
        differing = [
            name for name in sorted({*old, *new}) if self._value(old.get(name), new.get(name))
        ]
        attributes = [name for name in _ATTRIBUTES if before.get(name) != after.get(name)]
        if not differing and not attributes:
            return None
        action = self._action(after["Type"], old, new) if differing else Action.CHANGED
        return self._changed(logical_id, after, action, (*differing, *attributes), kept)

    def _changed(
        self,
        logical_id: str,
        resource: Mapping[str, Any],
        action: Action,
        properties: tuple[str, ...] = (),
        kept: bool = False,
    ) -> Change:
        return Change(
            stack=self.name,
            logical_id=logical_id,
            resource_type=resource["Type"],
            action=action,
            source=Source.TEMPLATES,
            properties=properties,
            kept=kept and action not in (Action.ADDED, Action.CHANGED),
        )

    def _action(self, resource_type: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Action:
        try:
            rules = recreation(resource_type)
        except LookupError:
            return Action.MAY_BE_REPLACED
        return action_of(self._replacement(rules, old, new))

    def _replacement(
        self, rules: Recreation, old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> Certainty:
        certainties = [Certainty.NO]
        for path in rules.always:
            found = self._value(_at(old, path), _at(new, path))
            # Inside a list, the rule may be about another item than the one that changes.
            certainties.append(min(found, Certainty.POSSIBLE) if "*" in path else found)
        for path in rules.sometimes:
            found = self._value(_at(old, path), _at(new, path))
            certainties.append(_if_so(rules, path, old, new, found))
        return max(certainties)

    def _handed_to(self, child: str, name: str) -> Certainty:
        """Whether the value changes that a nested stack's parameter is set to."""
        before, after = (each.get("Parameters", {}) for each in self.properties(child))
        return self._value(before.get(name), after.get(name))

    def _value(self, before: Any, after: Any) -> Certainty:
        """Whether an expression's value changes."""
        if before != after:
            return Certainty.YES
        certainties = (self._reference(*reference) for reference in references(after))
        return max(certainties, default=Certainty.NO)

    def _reference(self, name: str, attribute: str | None) -> Certainty:
        if name not in self._wanted.resources:
            before, after = (
                tree.body.get("Parameters", {}).get(name) for tree in (self._deployed, self._wanted)
            )
            if after is None:
                return Certainty.NO
            # Another default changes it if no value is handed over.
            declared = Certainty.POSSIBLE if before != after else Certainty.NO
            return max(self._parameter(name), declared)
        if name in self.children and attribute is not None:
            return self.children[name].output(attribute.removeprefix("Outputs."))
        change = self.change(name)
        if change is None:
            return Certainty.NO
        if change.action is Action.CHANGED:
            return _changed_in_place(change, attribute)
        if change.action is Action.MAY_BE_REPLACED:
            return Certainty.POSSIBLE
        return Certainty.YES


def _changed_in_place(change: Change, attribute: str | None) -> Certainty:
    """Whether a value of a resource changes that stays, but with other properties."""
    if change.resource_type.startswith(("Custom::", "AWS::CloudFormation::CustomResource")):
        return Certainty.POSSIBLE  # its function decides
    if attribute is None:
        return Certainty.NO
    followed = _FOLLOWS.get((change.resource_type, attribute))
    if followed is not None:
        return Certainty.NO if followed.isdisjoint(change.properties) else Certainty.POSSIBLE
    return Certainty.NO if _IDENTITY.search(attribute) else Certainty.POSSIBLE


def _if_so(
    rules: Recreation, path: Path, old: Properties, new: Properties, changes: Certainty
) -> Certainty:
    """Whether the change of a property replaces that does so under a condition only."""
    condition = rules.conditions.get(path)
    if condition is None:
        return min(changes, Certainty.POSSIBLE)
    holds = condition if isinstance(condition, bool) else condition(old, new)
    return changes if holds else Certainty.NO


def _at(value: Any, path: tuple[str, ...]) -> Any:
    """The part of a value that a schema's path names; as a whole where a list or an intrinsic
    function begins."""
    for step in path:
        if step == "*" or not isinstance(value, Mapping) or _is_intrinsic(value):
            return value
        value = value.get(step)
    return value


def _is_intrinsic(value: Mapping[str, Any]) -> bool:
    (name, *others) = [*value, ""]
    return others == [""] and (name == "Ref" or name.startswith("Fn::"))
