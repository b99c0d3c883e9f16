"""The functions' roles are enforced: none is let do anything but what its function needs.

A probe makes the attempts, a function of each function's role. It stands where the function stands:
Lambda gives both credentials of a session of that role, and all policies hang on the role.
"""

from __future__ import annotations

import json

import pytest

from local import aws
from tests.deployment import Production
from tests.e2e.attempts import Attempt, Targets, attempts
from tests.e2e.operators import ops
from tests.probe import Probe

# Attempts that are not refused: "done", or the service's own error, which comes after IAM's.
ALLOWED = {
    "payment-validator": {"read an item", "add an item", "send to the queue of failed invocations"},
    "payment-processor": {
        "read an item",
        "read a payment's history",
        "add an item",
        "look at the retry queue",
        "read the retry queue",
        "send to the retry queue",
        "take from the retry queue",
        "send to the queue of failed invocations",
    },
    "audit-logger": {
        "find the stream",
        "look at the stream",
        "list the audit objects",
        "read an audit object",
        "send to the queue of audit failures",
        "send to the queue of failed invocations",
    },
    "payments-ledger-reader": set(),
    "payments-reconciliation": {
        "read items in a batch",
        "list the audit objects",
        "read an audit object",
        "ask the operators' reader of the ledger",
        "send to the queue of failed invocations",
    },
    "payments-ledger-schema": {
        "read the master password",
        "send to the queue of failed invocations",
    },
    "payments-default-security-group": {"read the groups", "close the default group"},
    "payments-termination-protection": {"read the stack"},
    "payments-shared-log-groups": set(),
    "payments-release-test": set(),
}

# Where the emulator decides otherwise than AWS:
# What Lambda needs for a function in a VPC. A condition on `lambda:SourceFunctionArn` takes it from
# the function's code; the probe is another function, and the emulator has no such key.
LET_BY_THE_EMULATOR = {"look for subnets", "make a network interface"}
IN_THE_VPC = set(ALLOWED) - {
    "payments-default-security-group",
    "payments-termination-protection",
    "payments-shared-log-groups",
    "payments-release-test",
}
# It looks up the table of a request, and finds none in one that names a stream.
REFUSED_BY_THE_EMULATOR = {"look at the stream"}
# For PartiQL it asks for an action that IAM does not have, whatever the statement does: that these
# are refused says nothing about AWS. The tests of the policies do.
PARTIQL = {f"{verb} in PartiQL" for verb in ("delete", "update", "insert", "select")}
OTHER_ACTIONS = dict.fromkeys(PARTIQL, "dynamodb:ExecuteStatement")


@pytest.fixture(scope="module")
def answers(production: Production) -> dict[str, list[tuple[Attempt, str]]]:
    """What came of every attempt, a list for each function."""
    table = list(attempts(Targets.find(production)))
    calls = [attempt.call for attempt in table]
    return {
        name: list(
            zip(
                table,
                Probe(production.environment, str(production.function(name)["Role"])).attempt_all(
                    calls
                ),
                strict=True,
            )
        )
        for name in ALLOWED
    }


def _refused(attempt: Attempt, answer: str) -> bool:
    """Whether IAM refused it, for want of the action that it stands for."""
    action = OTHER_ACTIONS.get(attempt.what, attempt.action)
    return f"is not authorized to perform: {action} " in answer


@pytest.mark.parametrize("function", ALLOWED)
def test_a_role_is_refused_everything_but_what_its_function_needs(
    answers: dict[str, list[tuple[Attempt, str]]], function: str
) -> None:
    let = {
        attempt.what: answer
        for attempt, answer in answers[function]
        if not _refused(attempt, answer)
    }
    by_the_emulator = LET_BY_THE_EMULATOR if function in IN_THE_VPC else set()
    assert set(let) == ALLOWED[function] - REFUSED_BY_THE_EMULATOR | by_the_emulator, let
    unasked = [what for what, answer in let.items() if "ParamValidationError" in answer]
    assert unasked == []


def test_each_attempt_is_another_and_stands_in_the_table_once(
    answers: dict[str, list[tuple[Attempt, str]]],
) -> None:
    told = [attempt.what for attempt, _ in answers["audit-logger"]]
    assert len(told) > 100
    assert len(set(told)) == len(told)
    assert set().union(*ALLOWED.values(), LET_BY_THE_EMULATOR, PARTIQL) <= set(told)


@pytest.mark.usefixtures("answers")
def test_after_all_attempts_payments_are_made_as_before(production: Production) -> None:
    done = ops(production, "smoke", "--payments", "1", "--json")
    assert {check["verdict"] for check in done.document["checks"]} == {"held"}, done


def test_every_role_has_the_permissions_boundary(production: Production) -> None:
    iam = production.client("iam")
    pages = iam.get_paginator("list_roles").paginate()
    names = [role["RoleName"] for page in pages for role in page["Roles"]]
    own = [name for name in names if name.startswith("PaymentsProd-")]
    boundaries = {
        iam.get_role(RoleName=name)["Role"]
        .get("PermissionsBoundary", {})
        .get("PermissionsBoundaryArn")
        for name in own
    }
    assert len(own) >= len(ALLOWED)
    (boundary,) = boundaries
    assert boundary is not None
    version = iam.get_policy(PolicyArn=boundary)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=boundary, VersionId=version)["PolicyVersion"][
        "Document"
    ]
    statements = document if isinstance(document, dict) else json.loads(document)
    assert "Deny" in {statement["Effect"] for statement in statements["Statement"]}


def test_cloudformation_is_no_administrator(production: Production) -> None:
    iam = production.client("iam")
    role = f"cdk-hnb659fds-cfn-exec-role-{aws.ACCOUNT}-{aws.REGION}"
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert {each["PolicyName"] for each in attached} == {
        "payments-deployment-data",
        "payments-deployment-edge",
        "payments-deployment-rights",
    }
