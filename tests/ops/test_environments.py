"""Production and staging are never mistaken for each other, and an address of its own is looked at.

The answers are in the form of the API references of CloudFormation, ACM and API Gateway.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from ops.console import environment, settings
from ops.console.checks import Check, Verdict
from ops.console.environment import VARIABLE
from ops.console.failure import OpsError
from ops.inspection import data, observability
from ops.inspection.subjects import Subjects
from ops.plan import review
from ops.preflight import account
from ops.production import address, names, stack
from ops.production.assembly import Assembly
from ops.production.existing import Existing
from ops.production.payments_api import Answer, PaymentsApi
from ops.production.stack import Resource
from tests.ops.stubbed_aws import Aws, as_clients
from tests.ops.test_preflight import NEEDS

DOMAIN = "pay.company.com"
NO_ANSWER = Answer(status=0, body={}, seconds=0.1, failure="no answer: no such host")
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/1234"


@pytest.fixture
def aws() -> Aws:
    return Aws()


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test chooses ends with it."""
    monkeypatch.setenv(VARIABLE, "")


def stands(aws: Aws, name: str) -> None:
    found = {"StackName": name, "CreationTime": datetime.now(UTC), "StackStatus": "CREATE_COMPLETE"}
    aws.answers("cloudformation", "describe_stacks", {"Stacks": [found]}, {"StackName": name})


def is_missing(aws: Aws) -> None:
    aws.refuses("cloudformation", "describe_stacks", "Stack does not exist")


def assembly(folder: Path, name: str) -> Path:
    artifact = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://unknown-account/us-east-1",
        "properties": {"templateFile": f"{name}.template.json"},
    }
    (folder / "manifest.json").write_text(json.dumps({"artifacts": {name: artifact}}))
    return folder


def test_production_is_meant_unless_another_is_named() -> None:
    assert environment.stack_name() == "PaymentsProd"
    settings.checked(["environment=staging"])
    assert environment.stack_name() == "PaymentsStaging"


def test_two_environments_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "production")
    with pytest.raises(OpsError, match=r"staging is asked for, but .* says production"):
        settings.checked(["environment=staging"])


def test_an_environment_is_no_setting() -> None:
    with pytest.raises(typer.BadParameter, match="staging is not a setting"):
        settings.checked(["staging=small"])


@pytest.mark.parametrize(
    ("meant", "made"), [("production", "PaymentsStaging"), ("staging", "PaymentsProd")]
)
def test_an_assembly_of_another_environment_is_refused(
    meant: str, made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, meant)
    with pytest.raises(OpsError, match=f"is of {made}, but Payments"):
        Assembly.read(assembly(tmp_path, made))


def test_a_deployment_beside_another_environment_is_refused(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stands(aws, "PaymentsStaging")
    monkeypatch.setattr("boto3.client", lambda service, **_: aws(service))
    with pytest.raises(OpsError, match="PaymentsStaging stands in this account, and PaymentsProd"):
        review.look(Assembly.read(assembly(tmp_path, "PaymentsProd")))


@pytest.mark.parametrize("beside", [True, False])
def test_preflight_sees_what_stands_in_the_account(aws: Aws, beside: bool) -> None:
    stands(aws, "PaymentsStaging") if beside else is_missing(aws)
    (found,) = account.environment(as_clients(aws))
    assert found.verdict is (Verdict.PROBLEM if beside else Verdict.HELD)


def test_who_looks_for_production_in_staging_is_told_so(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_missing(aws)
    aws.answers("sts", "get_caller_identity", {"Account": "123456789012"})
    stands(aws, "PaymentsStaging")
    monkeypatch.setattr(stack, "client", lambda _session, service: aws(service))
    with pytest.raises(OpsError, match=r"no stack PaymentsProd .*, but PaymentsStaging: are these"):
        stack.Production.find()


def test_staging_is_held_to_its_own_numbers(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    def needed() -> dict[str, str]:
        instance = {"DBInstanceStatus": "available", "Engine": "postgres", "MultiAZ": True}
        instance |= {"DBInstanceClass": "db.t3.small", "BackupRetentionPeriod": 7}
        instance |= {"PubliclyAccessible": False, "StorageEncrypted": False}
        aws.answers("rds", "describe_db_instances", {"DBInstances": [instance]})
        aws.answers("sns", "get_topic_attributes", {"Attributes": {}})
        aws.answers("sns", "list_subscriptions_by_topic", {"Subscriptions": []})
        found = [
            *data.database(as_clients(aws), Subjects(database="ledger")),
            *observability.alerts(as_clients(aws), Subjects(topic="arn:aws:sns:::alerts")),
        ]
        return {each.what: each.needed for each in found}

    production = needed()
    monkeypatch.setenv(VARIABLE, "staging")
    staging = needed()
    for what, of_production, of_staging in (
        ("class of ledger", "db.t3.medium", "db.t3.small"),
        ("automated backups of ledger", "30 days", "7 days"),
    ):
        assert (production[what], staging[what]) == (of_production, of_staging)
    assert "subscription of ops@company.com" in production
    assert "subscription of ops+staging@company.com" in staging


# -- the API's address -------------------------------------------------------------------------


def issued(**other: Any) -> dict[str, Any]:
    found = {"Status": "ISSUED", "DomainName": DOMAIN, "SubjectAlternativeNames": [DOMAIN]}
    return {"NotAfter": datetime.now(UTC) + timedelta(days=200), **found, **other}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (issued(), ""),
        (issued(DomainName="company.com", SubjectAlternativeNames=["*.company.com"]), ""),
        (issued(Status="PENDING_VALIDATION"), "PENDING_VALIDATION"),
        (
            issued(DomainName="*.pay.company.com", SubjectAlternativeNames=["pay.net"]),
            "for *.pay.company.com, pay.net",
        ),
        (issued(DomainName="*.com", SubjectAlternativeNames=["company.com"]), "for *.com"),
        (issued(NotAfter=datetime.now(UTC) + timedelta(days=3)), "ends 20"),
    ],
)
def test_a_certificate_must_be_issued_for_the_address_and_last(
    aws: Aws, found: dict[str, Any], told: str
) -> None:
    aws.answers("acm", "describe_certificate", {"Certificate": found})
    (check,) = address.certificate(as_clients(aws), DOMAIN, CERTIFICATE)
    assert (check.verdict is Verdict.PROBLEM, told in check.found) == (bool(told), True)


def test_a_certificate_of_another_account_is_none(aws: Aws) -> None:
    aws.refuses("acm", "describe_certificate", "ResourceNotFoundException")
    (check,) = address.certificate(as_clients(aws), DOMAIN, CERTIFICATE)
    assert check.verdict is Verdict.PROBLEM
    assert "not to be found" in check.found


@pytest.mark.parametrize("own", [True, False])
def test_an_address_that_another_api_has_is_in_the_way(aws: Aws, own: bool) -> None:
    aws.answers("apigateway", "get_domain_name", {}, {"domainName": DOMAIN})
    its = Resource(stack="", logical_id="", type=address.DOMAIN, name=DOMAIN)
    needs = replace(NEEDS, names={address.DOMAIN: [DOMAIN]})
    now = Existing(resources=[its] if own else [])
    (check,) = names.taken(as_clients(aws), address.DOMAIN, needs, now)
    assert check.verdict is (Verdict.HELD if own else Verdict.PROBLEM)


@pytest.fixture
def reached(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Check]]:
    def ask(
        policy: str = "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09",
        api: str = "own",
        answer: Answer | None = None,
    ) -> dict[str, Check]:
        own = Answer(status=403, body={"code": "api_key_required"}, seconds=0.1)
        monkeypatch.setattr(PaymentsApi, "call", lambda *_, **__: answer or own)
        domain = {"regionalDomainName": "d-1.execute-api", "regionalCertificateArn": CERTIFICATE}
        aws.answers("apigateway", "get_domain_name", {**domain, "securityPolicy": policy})
        aws.answers("acm", "describe_certificate", {"Certificate": issued()})
        mapping = {"basePath": "(none)", "restApiId": api, "stage": "prod"}
        aws.answers("apigateway", "get_base_path_mappings", {"items": [mapping]})
        return {each.what: each for each in address.reached(as_clients(aws), DOMAIN, "own")}

    return ask


def test_an_address_that_clients_reach_holds(reached: Callable[..., dict[str, Check]]) -> None:
    assert {each.verdict for each in reached().values()} == {Verdict.HELD}


@pytest.mark.parametrize(
    ("seeded", "what"),
    [
        ({"policy": "TLS_1_0"}, f"TLS of {DOMAIN}"),
        ({"api": "of-another"}, f"{DOMAIN} leads to"),
        ({"answer": NO_ANSWER}, f"https://{DOMAIN}/status without a key"),
        ({"answer": replace(NO_ANSWER, status=200)}, f"https://{DOMAIN}/status without a key"),
    ],
)
def test_an_address_that_leads_elsewhere_is_found(
    reached: Callable[..., dict[str, Check]], seeded: dict[str, Any], what: str
) -> None:
    found = reached(**seeded)
    assert [each.what for each in found.values() if each.verdict is Verdict.PROBLEM] == [what]
    assert found[what].mend
