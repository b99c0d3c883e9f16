"""The policies of the templates decide as the permission matrix says (R17)."""

from __future__ import annotations

import copy
import dataclasses
import fnmatch
from collections.abc import Iterator
from typing import Any

import pytest

from assurance.permissions import document
from assurance.permissions.matrix import MATRIX, UNJUDGED, rows
from assurance.permissions.policies import Policies
from assurance.permissions.resources import FUNCTIONS, KEYS, is_of_stranger
from assurance.permissions.row import Decision, Row
from assurance.permissions.simulation import SimulationError, decide, run, simulation

Json = dict[str, Any]
Decisions = dict[Row, Decision]

FLOW_LOGS = "vpc-flow-logs"
PRINCIPALS = tuple(dict.fromkeys(row.who for row in MATRIX))
EVERYTHING: Json = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


@pytest.fixture(scope="module")
def decisions(policies: Policies) -> Decisions:
    return dict(zip(MATRIX, decide(policies, MATRIX), strict=True))


def rows_of(who: str) -> list[Row]:
    return [row for row in MATRIX if row.who == who]


def with_role(policies: Policies, name: str, **changes: Any) -> Policies:
    """The policies, with one role's changed."""
    role = dataclasses.replace(policies.roles[name], **changes)
    return dataclasses.replace(policies, roles={**policies.roles, name: role})


def without_statement(policy: Json, number: int) -> Json:
    left = copy.deepcopy(policy)
    del left["Statement"][number]
    return left


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("who", PRINCIPALS)
def test_the_policies_decide_as_the_matrix_says(decisions: Decisions, who: str) -> None:
    wrong = [
        f"{row.request}: {decisions[row]}, but must be {row.expected}"
        for row in rows_of(who)
        if decisions[row] is not row.expected
    ]
    assert not wrong, "\n".join(wrong)


def test_the_matrix_asks_enough_and_nothing_twice() -> None:
    assert len(MATRIX) >= 150
    assert len({row.request for row in MATRIX}) == len(MATRIX)


def test_every_role_is_in_the_matrix_with_what_it_may_and_may_not(policies: Policies) -> None:
    for name in policies.roles:
        assert {row.expected for row in rows_of(name)} == set(Decision), name


def test_every_role_has_the_boundary(policies: Policies) -> None:
    boundaries = [role.boundary for role in policies.roles.values()]
    assert boundaries[0] is not None
    assert boundaries == boundaries[:1] * len(policies.roles)


def allowances(policies: Policies) -> Iterator[tuple[str, str, str]]:
    """Who, action, and resource or pattern of each thing that a role's own policy allows."""
    for role in policies.roles.values():
        for statement in (item for policy in role.identity for item in policy["Statement"]):
            if statement["Effect"] == "Allow":
                for action in as_list(statement["Action"]):
                    for resource in as_list(statement["Resource"]):
                        yield role.name, action, resource


def test_whatever_a_role_is_allowed_is_a_line_of_the_matrix(policies: Policies) -> None:
    stated = [
        (row.who, row.action, policies.arns[row.resource])
        for row in MATRIX
        if row.expected is Decision.ALLOW
    ]
    for who, action, pattern in allowances(policies):
        assert any(
            (who, action) == (known, known_action) and fnmatch.fnmatchcase(arn, pattern)
            for known, known_action, arn in stated
        ) or any(
            (who, action) == unjudged[:2] and f":{unjudged[2]}" in pattern for unjudged in UNJUDGED
        ), f"{who}: {action} on {pattern}"


def test_what_the_engine_cannot_be_asked_about_is_still_allowed(policies: Policies) -> None:
    assert {(who, action) for who, action, _ in UNJUDGED} <= {
        (who, action) for who, action, _ in allowances(policies)
    }


def speaks_of(statement: Json, row: Row) -> bool:
    """Whether a statement can decide on a row's action at all."""
    return "Action" not in statement or any(
        fnmatch.fnmatch(row.action, pattern) for pattern in as_list(statement["Action"])
    )


def guarding_statements(policies: Policies) -> Iterator[tuple[str, Policies, list[Row]]]:
    """Each denial, and each admission of a service: its name, the policies without it, and the
    rows that it may decide on."""
    for arn, policy in policies.resources.items():
        concerned = [
            row
            for row in MATRIX
            if not is_of_stranger(row.resource) and policies.arns[row.resource].startswith(arn)
        ]
        for number, statement in enumerate(policy["Statement"]):
            name = f"{arn} {statement.get('Sid', number)}"
            denies = statement["Effect"] == "Deny"
            admits = not denies and "Service" in statement["Principal"]
            if not (denies or admits) or statement.get("Sid") == "LogGroupsOfThisAccount":
                continue
            decisive = Decision.EXPLICIT_DENY if denies else Decision.ALLOW
            left = without_statement(policy, number)
            resources = {**policies.resources, arn: left}
            if not left["Statement"]:
                del resources[arn]
            yield (
                name,
                dataclasses.replace(policies, resources=resources),
                [
                    row
                    for row in concerned
                    if row.expected is decisive and speaks_of(statement, row)
                ],
            )
    boundary = policies.roles[FLOW_LOGS].boundary
    assert boundary is not None
    # A role whose own policy denies nothing shows what the boundary denies.
    rows = [row for row in rows_of(FLOW_LOGS) if row.expected is not Decision.ALLOW]
    for number, statement in enumerate(boundary["Statement"]):
        if statement["Effect"] == "Deny":
            left = without_statement(boundary, number)
            mutant = with_role(policies, FLOW_LOGS, boundary=left)
            yield (
                f"boundary {statement['Sid']}",
                mutant,
                [row for row in rows if speaks_of(statement, row)],
            )


def test_each_guard_decides_on_a_line_of_the_matrix(policies: Policies) -> None:
    guards = list(guarding_statements(policies))
    assert len(guards) > 30
    asked = [(name, row, mutant) for name, mutant, rows in guards for row in rows]
    decided = run([simulation(row, mutant) for _, row, mutant in asked])
    proven = {
        name
        for (name, row, _), decision in zip(asked, decided, strict=True)
        if decision is not row.expected
    }
    assert {name for name, _, _ in guards} == proven


def test_a_role_that_is_allowed_everything_is_held_by_the_boundary(policies: Policies) -> None:
    name = FLOW_LOGS
    mutant = with_role(policies, name, identity=(EVERYTHING,))
    rows = [row for row in rows_of(name) if row.expected is Decision.EXPLICIT_DENY]
    assert set(decide(mutant, rows)) == {Decision.EXPLICIT_DENY}


def test_functions_own_denials_hold_without_the_boundary(policies: Policies) -> None:
    asked = [
        (row, with_role(policies, name, boundary=None))
        for name in FUNCTIONS
        for row in rows_of(name)
        # Only the boundary keeps data in the account.
        if row.expected is Decision.EXPLICIT_DENY and not is_of_stranger(row.resource)
    ]
    assert {row.who for row, _ in asked} == set(FUNCTIONS)
    decided = run([simulation(row, mutant) for row, mutant in asked])
    held = zip(asked, decided, strict=True)
    assert [row.request for (row, _), is_ in held if is_ is not Decision.EXPLICIT_DENY] == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("dynamodb PutItems | history | ", "invalid.action"),
        ("sqs SendMessage | history | ", "no.resource.types"),
        ("dynamodb PutItem | history |  | through s3", "kms:Via"),
    ],
    ids=["action", "resource", "circumstance"],
)
def test_what_the_engine_does_not_know_is_no_denial(
    policies: Policies, line: str, reason: str
) -> None:
    with pytest.raises(SimulationError, match=reason):
        decide(policies, list(rows("payment-validator", Decision.ALLOW, line)))


def test_a_circumstance_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="at full moon"):
        list(
            rows("payment-validator", Decision.ALLOW, "sqs SendMessage | history |  | at full moon")
        )


def test_no_denial_of_a_key_or_of_publishing_asks_who_it_is(policies: Policies) -> None:
    """One would beat the grants under which RDS opens its volumes, by principals that are not of
    this account; and EventBridge may not say that it is a service."""
    asked = 0
    for arn, policy in policies.resources.items():
        for statement in policy["Statement"]:
            concerns = {"kms:*", "sns:Publish"} & set(as_list(statement["Action"]))
            if statement["Effect"] == "Deny" and concerns:
                asked += 1
                keys = {key for block in statement["Condition"].values() for key in block}
                assert keys == {"aws:SecureTransport"}, arn
    assert asked == len(KEYS) + 1


def test_a_malformed_policy_is_no_denial(policies: Policies) -> None:
    broken = {"Version": "2012-10-17", "Statement": [{"Effect": "Maybe", "Action": "*"}]}
    mutant = with_role(policies, "payment-validator", identity=(broken,))
    line = "dynamodb Scan | history |  | over plain HTTP"
    (row,) = rows("payment-validator", Decision.IMPLICIT_DENY, line)
    with pytest.raises(SimulationError, match=r"policy\.errors"):
        decide(mutant, [row])


def test_the_published_matrix_is_in_step() -> None:
    assert document.PATH.read_text() == document.text(), "run `make docs`"
