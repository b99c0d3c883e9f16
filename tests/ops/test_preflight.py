"""Preflight judges what the embedded environment has no API for: quotas, zones and RDS's offers.

The answers are in the form of the API references of Service Quotas, EC2, RDS and CloudFormation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ops.console.checks import Check, Verdict
from ops.preflight import account, offers, quotas, tools
from ops.production.existing import Existing
from ops.production.needs import Needs
from ops.production.stack import Resource
from tests.ops.stubbed_aws import Aws, as_clients

ZONES = ["us-east-1a", "us-east-1b", "us-east-1c"]
NEEDS = Needs(
    counts=Counter({"AWS::EC2::EIP": 3, "AWS::EC2::VPC": 1, "AWS::EC2::NatGateway": 3}),
    names={},
    zones=ZONES,
    reserved={"payment-validator": 100, "payment-processor": 124},
    rules=2,
    bootstrap=6,
    bootstrap_parameter="/cdk-bootstrap/hnb659fds/version",
    database={
        "Engine": "postgres",
        "EngineVersion": "18",
        "DBInstanceClass": "db.t3.medium",
        "StorageType": "gp3",
    },
    subscriptions=["ops@company.com"],
    tags={"Environment": "production"},
)
NOTHING = Existing()


@pytest.fixture
def aws() -> Aws:
    return Aws()


def test_a_database_of_the_stack_that_is_gone_is_told(aws: Aws) -> None:
    database = Resource(stack="D", logical_id="L", type="AWS::RDS::DBInstance", name="ledger")
    aws.refuses("rds", "describe_db_instances", "DBInstanceNotFound")
    (found,) = account.stores(as_clients(aws), Existing(status="X", resources=[database]))
    assert found.verdict is Verdict.PROBLEM
    assert "docs/runbooks/restore.md#the-ledgers-database-is-gone" in found.mend


def quota(value: float) -> dict[str, Any]:
    return {"Quota": {"Value": value, "QuotaCode": "L-0263D0A3", "ServiceCode": "ec2"}}


def addresses(number: int) -> dict[str, Any]:
    return {"Addresses": [{"PublicIp": f"192.0.2.{each}"} for each in range(number)]}


def elastic_ips(aws: Aws, now: Existing = NOTHING) -> Check:
    (found,) = quotas.counted(as_clients(aws), "AWS::EC2::EIP", NEEDS, now)
    return found


# -- quotas ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "verdict"), [(2, Verdict.HELD), (3, Verdict.PROBLEM), (5, Verdict.PROBLEM)]
)
def test_three_elastic_ips_must_fit_besides_those_in_use(
    aws: Aws, used: int, verdict: Verdict
) -> None:
    aws.answers("service-quotas", "get_service_quota", quota(5.0))
    aws.answers("ec2", "describe_addresses", addresses(used))
    found = elastic_ips(aws)
    assert (found.verdict, found.found) == (verdict, f"{used} of 5 used")
    assert bool(found.mend) == (verdict is Verdict.PROBLEM)


def test_what_to_ask_for_is_enough(aws: Aws) -> None:
    aws.answers("service-quotas", "get_service_quota", quota(5.0))
    aws.answers("ec2", "describe_addresses", addresses(5))
    mend = elastic_ips(aws).mend
    assert "--service-code ec2 --quota-code L-0263D0A3 --desired-value 8" in mend


def test_addresses_that_the_stack_has_already_are_not_needed_again(aws: Aws) -> None:
    own = [
        Resource(stack="N", logical_id=f"E{n}", type="AWS::EC2::EIP", name=f"192.0.2.{n}")
        for n in range(3)
    ]
    aws.answers("service-quotas", "get_service_quota", quota(5.0))
    aws.answers("ec2", "describe_addresses", addresses(5))
    found = elastic_ips(aws, Existing(status="UPDATE_COMPLETE", resources=own))
    assert (found.verdict, found.needed) == (Verdict.HELD, "0 more")


def test_a_quota_that_was_never_changed_is_awss_default(aws: Aws) -> None:
    aws.refuses("service-quotas", "get_service_quota", "NoSuchResourceException")
    aws.answers("service-quotas", "get_aws_default_service_quota", quota(5.0))
    aws.answers("ec2", "describe_addresses", addresses(3))
    assert elastic_ips(aws).verdict is Verdict.PROBLEM


def test_who_may_not_ask_for_quotas_is_told_ec2s_attribute(aws: Aws) -> None:
    aws.refuses("service-quotas", "get_service_quota", "AccessDeniedException")
    attribute = {
        "AttributeName": "vpc-max-elastic-ips",
        "AttributeValues": [{"AttributeValue": "7"}],
    }
    aws.answers("ec2", "describe_account_attributes", {"AccountAttributes": [attribute]})
    aws.answers("ec2", "describe_addresses", addresses(4))
    assert elastic_ips(aws).found == "4 of 7 used"


@pytest.mark.parametrize(("standing", "verdict"), [(4, Verdict.HELD), (5, Verdict.PROBLEM)])
def test_nat_gateways_are_counted_by_zone(aws: Aws, standing: int, verdict: Verdict) -> None:
    aws.answers("service-quotas", "get_service_quota", quota(5.0))
    subnets = [
        {"SubnetId": "subnet-a", "AvailabilityZone": "us-east-1a"},
        {"SubnetId": "subnet-f", "AvailabilityZone": "us-east-1f"},
    ]
    aws.answers("ec2", "describe_subnets", {"Subnets": subnets})
    gateways = [{"SubnetId": "subnet-a", "State": "available"}] * standing
    gateways += [{"SubnetId": "subnet-a", "State": "deleted"}] * 3
    gateways += [{"SubnetId": "subnet-f", "State": "available"}] * 5  # no zone of ours
    aws.answers("ec2", "describe_nat_gateways", {"NatGateways": gateways})
    (found,) = quotas.nat_gateways(as_clients(aws), NEEDS, NOTHING)
    assert (found.verdict, found.found) == (verdict, f"{standing} of 5 used")


@pytest.mark.parametrize(("limit", "verdict"), [(2.0, Verdict.HELD), (1.0, Verdict.PROBLEM)])
def test_rules_of_a_group_must_fit(aws: Aws, limit: float, verdict: Verdict) -> None:
    aws.answers("service-quotas", "get_service_quota", quota(limit))
    (found,) = quotas.rules(as_clients(aws), NEEDS)
    assert found.verdict is verdict


@pytest.mark.parametrize(
    ("unreserved", "verdict"), [(10, Verdict.PROBLEM), (323, Verdict.PROBLEM), (324, Verdict.HELD)]
)
def test_a_hundred_executions_stay_unreserved(aws: Aws, unreserved: int, verdict: Verdict) -> None:
    limits = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": unreserved}
    aws.answers("lambda", "get_account_settings", {"AccountLimit": limits})
    (found,) = quotas.concurrency(as_clients(aws), NEEDS, NOTHING)
    assert (found.verdict, found.needed.split(":")[0]) == (verdict, "324")


def test_what_the_stacks_functions_have_reserved_counts_as_free(aws: Aws) -> None:
    limits = {"ConcurrentExecutions": 400, "UnreservedConcurrentExecutions": 176}
    aws.answers("lambda", "get_account_settings", {"AccountLimit": limits})
    for reserved in (100, 124):
        aws.answers(
            "lambda", "get_function_concurrency", {"ReservedConcurrentExecutions": reserved}
        )
    own = [
        Resource(stack="C", logical_id=name, type="AWS::Lambda::Function", name=name)
        for name in NEEDS.reserved
    ]
    (found,) = quotas.concurrency(
        as_clients(aws), NEEDS, Existing(status="UPDATE_COMPLETE", resources=own)
    )
    assert (found.verdict, found.found) == (Verdict.HELD, "400 of 400 free to be reserved")


def test_what_to_ask_lambda_for_leaves_others_what_they_have(aws: Aws) -> None:
    limits = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 200}
    aws.answers("lambda", "get_account_settings", {"AccountLimit": limits})
    (found,) = quotas.concurrency(as_clients(aws), NEEDS, NOTHING)
    assert "--desired-value 1124," in found.mend


# -- zones and offers --------------------------------------------------------------------------


def zone(letter: str, number: int, state: str = "available") -> dict[str, Any]:
    return {"ZoneName": f"us-east-1{letter}", "ZoneId": f"use1-az{number}", "State": state}


def test_a_zone_without_lambda_is_found_by_its_id_and_others_named(aws: Aws) -> None:
    described = [zone("a", 4), zone("b", 3), zone("c", 1), zone("d", 2)]
    aws.answers("ec2", "describe_availability_zones", {"AvailabilityZones": described})
    found = {each.what: each for each in offers.zones(as_clients(aws), NEEDS)}
    assert [each.verdict for each in found.values()] == [
        Verdict.HELD,
        Verdict.PROBLEM,
        Verdict.HELD,
    ]
    assert "Lambda does not work there" in found["zone us-east-1b"].found
    assert found["zone us-east-1b"].mend.endswith("us-east-1a, us-east-1c, us-east-1d")


def test_a_zone_that_is_impaired_or_missing_is_found(aws: Aws) -> None:
    described = [zone("a", 4, "impaired"), zone("b", 1)]
    aws.answers("ec2", "describe_availability_zones", {"AvailabilityZones": described})
    found = [each.verdict for each in offers.zones(as_clients(aws), NEEDS)]
    assert found == [Verdict.PROBLEM, Verdict.HELD, Verdict.PROBLEM]


def versions(*numbers: str) -> dict[str, Any]:
    return {"DBEngineVersions": [{"EngineVersion": number} for number in numbers]}


def option(*letters: str, storage: str = "gp3", multi: bool = True) -> dict[str, Any]:
    return {
        "MultiAZCapable": multi,
        "Vpc": True,
        "StorageType": storage,
        "AvailabilityZones": [{"Name": f"us-east-1{letter}"} for letter in letters],
    }


def test_the_newest_minor_version_is_asked_for_in_each_zone(aws: Aws) -> None:
    aws.answers("rds", "describe_db_engine_versions", versions("17.9", "18.2", "18.10"))
    aws.answers(
        "rds",
        "describe_orderable_db_instance_options",
        {"OrderableDBInstanceOptions": [option("a", "b", "c", "d")]},
        {"Engine": "postgres", "EngineVersion": "18.10", "DBInstanceClass": "db.t3.medium"},
    )
    found = list(offers.database(as_clients(aws), NEEDS))
    assert [each.verdict for each in found] == [Verdict.HELD, Verdict.HELD]


@pytest.mark.parametrize(
    "options",
    [
        [option("a", "b")],
        [option("a", "b", "c", storage="gp2")],
        [option("a", "b", "c", multi=False)],
        [],
    ],
    ids=["zone", "storage", "multi-az", "none"],
)
def test_a_class_that_is_not_offered_as_needed_is_found(
    aws: Aws, options: list[dict[str, Any]]
) -> None:
    aws.answers("rds", "describe_db_engine_versions", versions("18.1"))
    aws.answers(
        "rds", "describe_orderable_db_instance_options", {"OrderableDBInstanceOptions": options}
    )
    *_, found = offers.database(as_clients(aws), NEEDS)
    assert found.verdict is Verdict.PROBLEM
    assert "-c availability_zones" in found.mend


def test_a_major_version_that_is_gone_is_told_with_those_that_are_there(aws: Aws) -> None:
    aws.answers("rds", "describe_db_engine_versions", versions("9.6.24", "19.1", "20.0"))
    (found,) = offers.database(as_clients(aws), NEEDS)
    assert (found.verdict, found.found) == (Verdict.PROBLEM, "offered: 9, 19, 20")


# -- an earlier stack --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "verdict", "mend"),
    [
        ("", Verdict.HELD, ""),
        ("CREATE_COMPLETE", Verdict.HELD, ""),
        ("UPDATE_ROLLBACK_COMPLETE", Verdict.HELD, ""),
        ("ROLLBACK_COMPLETE", Verdict.HELD, ""),
        ("UPDATE_ROLLBACK_FAILED", Verdict.PROBLEM, "continue-update-rollback"),
        ("UPDATE_FAILED", Verdict.PROBLEM, "rollback-stack --stack-name PaymentsProd"),
        ("CREATE_FAILED", Verdict.PROBLEM, "rollback-stack --stack-name PaymentsProd"),
        ("ROLLBACK_FAILED", Verdict.PROBLEM, "python -m ops leftovers"),
        ("IMPORT_ROLLBACK_FAILED", Verdict.PROBLEM, "into order"),
        ("DELETE_FAILED", Verdict.PROBLEM, "--retain-resources"),
        ("UPDATE_IN_PROGRESS", Verdict.PROBLEM, "wait"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Verdict.PROBLEM, "wait"),
    ],
)
def test_a_stack_is_deployable_in_some_states_only(
    status: str, verdict: Verdict, mend: str
) -> None:
    found = account.stack_state(Existing(status=status))
    assert found.verdict is verdict
    assert mend in found.mend
    assert bool(found.mend) == bool(mend)


def test_a_record_that_the_next_deployment_cannot_replace_is_told() -> None:
    """The creation failed before what lifts the protection stood."""
    found = account.stack_state(Existing(status="ROLLBACK_COMPLETE", protected=True))
    assert found.verdict is Verdict.PROBLEM
    assert "--no-enable-termination-protection --stack-name PaymentsProd" in found.mend


@pytest.mark.parametrize("gone", [True, False])
def test_a_table_of_the_stack_that_is_gone_is_told(aws: Aws, gone: bool) -> None:
    table = Resource(stack="D", logical_id="T", type="AWS::DynamoDB::Table", name="history")
    if gone:
        aws.refuses("dynamodb", "describe_table", "ResourceNotFoundException")
    else:
        aws.answers("dynamodb", "describe_table", {"Table": {}})
    (found,) = account.stores(as_clients(aws), Existing(status="X", resources=[table]))
    assert (found.verdict is Verdict.PROBLEM) == gone
    assert ("docs/runbooks/table-lost.md" in found.mend) == gone


def test_what_a_deleted_stack_has_left_is_told(aws: Aws) -> None:
    gone, live = ("arn:aws:cloudformation:us-east-1:1:stack/PaymentsProd-D/" + x for x in "12")

    def mapping(arn: str, stack: str, name: str = "PaymentsProd-D") -> dict[str, Any]:
        tags = {"aws:cloudformation:stack-id": stack, "aws:cloudformation:stack-name": name}
        return {
            "ResourceARN": arn,
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }

    aws.answers(
        "resourcegroupstaggingapi",
        "get_resources",
        {
            "ResourceTagMappingList": [
                mapping("arn:aws:kms:us-east-1:1:key/left", gone),
                mapping("arn:aws:kms:us-east-1:1:key/in-use", live),
                mapping("arn:aws:kms:us-east-1:1:key/of-others", gone, "Another"),
            ]
        },
    )
    for status in ("DELETE_COMPLETE", "UPDATE_COMPLETE"):
        stack = {"StackName": "PaymentsProd-D", "CreationTime": 0, "StackStatus": status}
        aws.answers("cloudformation", "describe_stacks", {"Stacks": [stack]})
    (found,) = account.leftovers(as_clients(aws), {"Environment": "production"})
    assert (found.verdict, found.found) == (Verdict.HELD, "1 resources: key/left")
    assert "delete them" in found.mend


@pytest.mark.parametrize(
    ("address", "verdict"),
    [("ops@company.com", Verdict.HELD), ("ops", Verdict.PROBLEM), ("", Verdict.PROBLEM)],
)
def test_the_alert_address_must_be_one(address: str, verdict: Verdict) -> None:
    needs = replace(NEEDS, subscriptions=[address] if address else [])
    (found,) = account.alert_address(needs)
    assert found.verdict is verdict
    assert ("link in AWS's mail" in found.mend) == (verdict is Verdict.HELD)


# -- what the deployment and the alerts need of the account ------------------------------------


def rds_role(aws: Aws) -> Check:
    (found,) = account.rds_role(as_clients(aws))
    return found


def test_rdss_own_role_is_there_where_a_database_was_before(aws: Aws) -> None:
    role = {
        "Path": "/aws-service-role/rds.amazonaws.com/",
        "RoleName": "AWSServiceRoleForRDS",
        "RoleId": "AROA000000000000000",
        "Arn": "arn:aws:iam::111122223333:role/aws-service-role/rds.amazonaws.com/x",
        "CreateDate": datetime(2026, 1, 1, tzinfo=UTC),
    }
    aws.answers("iam", "get_role", {"Role": role}, {"RoleName": "AWSServiceRoleForRDS"})
    assert rds_role(aws).verdict is Verdict.HELD


def test_a_fresh_account_is_told_how_to_make_rdss_own_role(aws: Aws) -> None:
    aws.refuses("iam", "get_role", "NoSuchEntity")
    found = rds_role(aws)
    assert found.verdict is Verdict.PROBLEM
    command = "aws iam create-service-linked-role --aws-service-name rds.amazonaws.com"
    assert found.mend == command


MANAGEMENT = {"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []}
TRAIL = {
    "Name": "management",
    "TrailARN": "arn:aws:cloudtrail:us-east-1:111122223333:trail/management",
    "IncludeGlobalServiceEvents": True,
    "IsMultiRegionTrail": True,
}


def trail(
    aws: Aws, described: Mapping[str, Any] | None, logging: bool = True, **selects: Any
) -> Check:
    trails = [described] if described else []
    aws.answers("cloudtrail", "describe_trails", {"trailList": trails})
    if described and described["IncludeGlobalServiceEvents"]:
        aws.answers("cloudtrail", "get_trail_status", {"IsLogging": logging})
        if logging and selects:
            aws.answers("cloudtrail", "get_event_selectors", selects)
    (found,) = account.trail(as_clients(aws))
    return found


def advanced(**equals: str) -> dict[str, Any]:
    fields = [{"Field": field, "Equals": [value]} for field, value in equals.items()]
    return {"Name": "-", "FieldSelectors": fields}


@pytest.mark.parametrize(
    "selects",
    [
        {"EventSelectors": [MANAGEMENT]},
        {"EventSelectors": [{**MANAGEMENT, "ReadWriteType": "WriteOnly"}]},
        {"AdvancedEventSelectors": [advanced(eventCategory="Management")]},
        {"AdvancedEventSelectors": [advanced(eventCategory="Management", readOnly="false")]},
    ],
)
def test_a_trail_that_logs_changes_is_enough(aws: Aws, selects: dict[str, Any]) -> None:
    found = trail(aws, TRAIL, **selects)
    assert (found.verdict, found.found) == (Verdict.HELD, "logging: management")


@pytest.mark.parametrize(
    "selects",
    [
        {"EventSelectors": [{**MANAGEMENT, "IncludeManagementEvents": False}]},
        {"EventSelectors": [{**MANAGEMENT, "ReadWriteType": "ReadOnly"}]},
        {"AdvancedEventSelectors": [advanced(eventCategory="Data")]},
        {"AdvancedEventSelectors": [advanced(eventCategory="Management", readOnly="true")]},
    ],
)
def test_a_trail_that_logs_no_changes_is_none(aws: Aws, selects: dict[str, Any]) -> None:
    found = trail(aws, TRAIL, **selects)
    assert (found.verdict, found.found) == (Verdict.PROBLEM, "none that does, but management")
    assert "put-event-selectors" in found.mend


def test_a_trail_that_is_off_is_to_be_switched_on(aws: Aws) -> None:
    found = trail(aws, TRAIL, logging=False)
    assert found.verdict is Verdict.PROBLEM
    assert found.mend.startswith("aws cloudtrail start-logging --name management")


def test_a_trail_without_the_global_services_does_not_see_sign_ins(aws: Aws) -> None:
    assert trail(aws, {**TRAIL, "IncludeGlobalServiceEvents": False}).verdict is Verdict.PROBLEM


def test_an_organizations_trail_counts_though_it_shows_little_of_itself(aws: Aws) -> None:
    aws.answers(
        "cloudtrail", "describe_trails", {"trailList": [{**TRAIL, "IsOrganizationTrail": True}]}
    )
    aws.answers("cloudtrail", "get_trail_status", {"IsLogging": True})
    aws.refuses("cloudtrail", "get_event_selectors", "TrailNotFoundException")
    (found,) = account.trail(as_clients(aws))
    assert found.verdict is Verdict.HELD


def test_without_a_trail_it_is_told_how_to_make_one(aws: Aws) -> None:
    found = trail(aws, None)
    assert (found.verdict, found.found) == (Verdict.PROBLEM, "none")
    assert "aws cloudtrail create-trail" in found.mend


NOT_HERE = "no version 2; nothing here waits for it"


@pytest.mark.parametrize(
    ("told", "emulated", "verdict", "found"),
    [
        ("aws-cli/2.31.0 Python/3.13.7 Linux/6.1 exe/x86_64", False, Verdict.HELD, "2.31.0"),
        ("aws-cli/1.42.1 Python/3.11.2 Linux/6.1", False, Verdict.PROBLEM, "1.42.1"),
        ("", False, Verdict.PROBLEM, "not installed"),
        ("", True, Verdict.UNSEEN, f"cannot be seen here: {NOT_HERE}"),
        ("aws-cli/1.42.1 Python/3.11.2", True, Verdict.UNSEEN, f"cannot be seen here: {NOT_HERE}"),
    ],
)
def test_the_aws_cli_is_there_for_the_runbooks(
    monkeypatch: pytest.MonkeyPatch, told: str, emulated: bool, verdict: Verdict, found: str
) -> None:
    monkeypatch.setattr(tools, "_output_of", lambda *_command: told)
    check = tools.aws_cli(emulated)
    assert (check.verdict, check.found) == (verdict, found)
