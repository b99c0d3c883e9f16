"""What `plan` remarks by what is live: interruptions of the database, what RDS would refuse, and
versions that Lambda would refuse to publish.

The answers have the shapes of the API references; botocore's stubber holds them to those.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from assurance.assembly import StackTemplate
from ops.plan import database, versions
from ops.plan.comparison import Comparison
from ops.plan.model import Remark, Weight
from ops.plan.review import _lost
from ops.production.assembly import Assembly
from tests.ops.stubbed_aws import Aws, as_clients

INSTANCE = "AWS::RDS::DBInstance"
GROUP = "AWS::RDS::DBParameterGroup"
DATABASE: Mapping[str, Any] = {
    "AllocatedStorage": "100",
    "BackupRetentionPeriod": 30,
    "DBInstanceClass": "db.t3.medium",
    "DBInstanceIdentifier": "payments-ledger",
    "EngineVersion": "18",
    "MaxAllocatedStorage": 500,
    "MultiAZ": True,
    "Port": "5432",
}
LIVE: Mapping[str, Any] = {
    "AllocatedStorage": 100,
    "BackupRetentionPeriod": 30,
    "DBInstanceClass": "db.t3.medium",
    "DBInstanceStatus": "available",
    "DBParameterGroups": [{"DBParameterGroupName": "g", "ParameterApplyStatus": "in-sync"}],
    "Endpoint": {"Address": "payments-ledger.example", "Port": 5432},
    "EngineVersion": "18.3",
    "MaxAllocatedStorage": 500,
    "MultiAZ": True,
    "PendingModifiedValues": {},
}


# -- the database ------------------------------------------------------------------------


LARGER = {"DBInstanceClass": "db.t3.large"}
STORAGE = {"AllocatedStorage": "200"}
BACKUPS = {"BackupRetentionPeriod": 35}
AUTHORITY = "CACertificateIdentifier"
INTERRUPTS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (LARGER, {}, "db.t3.medium to db.t3.large, at once: RDS changes the standby, and fails over"),
    (LARGER, {"MultiAZ": False}, "some minutes without database"),
    (STORAGE, {}, "storage grows from 100 to 200 GiB"),
    ({"EngineVersion": "18.4"}, {}, "from version 18.3 to 18.4, at once"),
    ({"EngineVersion": "19", "AllowMajorVersionUpgrade": True}, {}, "from version 18.3 to 19"),
    ({"Port": "5433"}, {}, "from port 5432 to 5433"),
    ({"BackupRetentionPeriod": 0}, {}, "backups begin or end"),
    ({AUTHORITY: "b"}, {AUTHORITY: "a"}, f"{AUTHORITY}: another certificate authority"),
    (
        {"DBParameterGroupName": "b"},
        {},
        "another parameter group: CloudFormation restarts the data",
    ),
    (
        BACKUPS,
        {"PendingModifiedValues": {"DBInstanceClass": "db.t3.large"}},
        "what waits for the maintenance window: DBInstanceClass",
    ),
    (
        BACKUPS,
        {"DBParameterGroups": [{"ParameterApplyStatus": "pending-reboot"}]},
        "a static parameter waits for a restart",
    ),
]
IMPOSSIBLE: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (
        {"AllocatedStorage": "50"},
        {},
        "it has 100 GiB, and storage cannot shrink to 50. Set database_storage_gib to 100",
    ),
    (
        {"AllocatedStorage": "150"},
        {"AllocatedStorage": 220},
        "it has 220 GiB, and storage cannot shrink to 150",
    ),
    (
        {"AllocatedStorage": "230"},
        {"AllocatedStorage": 220},
        "Set database_storage_gib to 220, or to 242 or more",
    ),
    (STORAGE, {"DBInstanceStatus": "storage-optimization"}, "RDS is at work on its storage"),
    (
        {"MaxAllocatedStorage": 300},
        {"AllocatedStorage": 290},
        "storage of 290 GiB cannot have the limit 300. Set database_max_storage_gib to 319",
    ),
    ({"EngineVersion": "18.1"}, {}, "it runs 18.3, and cannot go back to 18.1"),
    ({"EngineVersion": "19"}, {}, "AllowMajorVersionUpgrade only"),
]


@pytest.mark.parametrize(
    ("weight", "differing", "live", "told"),
    [
        *((Weight.INTERRUPTS, *each) for each in INTERRUPTS),
        *((Weight.IMPOSSIBLE, *each) for each in IMPOSSIBLE),
        (Weight.FAILS, BACKUPS, {"DBInstanceStatus": "stopped"}, "it is stopped"),
    ],
)
def test_a_change_of_the_database_is_remarked_by_its_live_values(
    differing: Mapping[str, Any], live: Mapping[str, Any], weight: Weight, told: str
) -> None:
    (remark,) = _on_database(differing, live)
    assert remark.weight is weight
    assert told in remark.text
    assert (remark.stack, remark.logical_id) == ("Shop/Data", "Ledger")


@pytest.mark.parametrize(
    ("differing", "live"),
    [
        (BACKUPS, {}),
        ({"Tags": [{"Key": "Team", "Value": "b"}]}, {}),
        ({"AllocatedStorage": "220"}, {"AllocatedStorage": 220}),  # what it grew to
        ({"MaxAllocatedStorage": 600}, {}),
        ({"MaxAllocatedStorage": 100}, {}),  # no growth
        (LARGER, LARGER),
        ({"EngineVersion": "18.3"}, {}),
        ({"MultiAZ": False}, {"MultiAZ": False}),
    ],
)
def test_a_change_that_interrupts_nothing_is_not_remarked(
    differing: Mapping[str, Any], live: Mapping[str, Any]
) -> None:
    assert _on_database(differing, live) == []


def test_a_missing_right_is_told_and_the_deployed_template_decides() -> None:
    def refused(stub: Stubber) -> None:
        stub.add_client_error("describe_db_instances", "AccessDenied", "not authorized")

    unseen, impossible = _on_database({"AllocatedStorage": "50"}, answer=refused)
    assert unseen.weight is Weight.UNSEEN
    assert "DescribeDBInstances failed (AccessDenied: not authorized)" in unseen.text
    assert impossible.weight is Weight.IMPOSSIBLE


def test_a_database_that_is_not_there_is_told() -> None:
    def none(stub: Stubber) -> None:
        stub.add_client_error("describe_db_instances", "DBInstanceNotFound", "no", 404)

    # Which is told whatever changes.
    assert _on_database({"BackupRetentionPeriod": 35}, answer=none) == []


TABLE = ("AWS::DynamoDB::Table", "dynamodb", "describe_table")
LEDGER = (INSTANCE, "rds", "describe_db_instances")


@pytest.mark.parametrize(
    ("asked", "refusal", "weight", "told"),
    [
        (TABLE, "ResourceNotFoundException", Weight.FAILS, "docs/runbooks/table-lost.md"),
        (TABLE, "AccessDeniedException", Weight.UNSEEN, "whether it is there"),
        (LEDGER, "DBInstanceNotFound", Weight.FAILS, "docs/runbooks/restore.md#the-ledgers-data"),
    ],
)
def test_a_store_that_is_gone_is_told_whatever_changes(
    asked: tuple[str, str, str], refusal: str, weight: Weight, told: str
) -> None:
    aws = Aws()
    stack = {"StackName": "S", "CreationTime": 0, "StackStatus": "UPDATE_COMPLETE"}
    aws.answers("cloudformation", "describe_stacks", {"Stacks": [stack]})
    table = {
        "LogicalResourceId": "Table",
        "PhysicalResourceId": "history",
        "ResourceType": asked[0],
        "ResourceStatus": "CREATE_COMPLETE",
        "LastUpdatedTimestamp": 0,
    }
    aws.answers("cloudformation", "list_stack_resources", {"StackResourceSummaries": [table]})
    aws.refuses(asked[1], asked[2], refusal)
    (remark,) = _lost("PaymentsProd", as_clients(aws))
    assert (remark.stack, remark.logical_id) == ("PaymentsProd", "Table")
    assert remark.weight is weight
    assert told in remark.text


def test_a_value_that_the_deployment_makes_is_not_guessed() -> None:
    assert _on_database({"AllocatedStorage": {"Ref": "Size"}}, {}) == []


def test_rds_is_asked_for_what_changes_only() -> None:
    comparison = _comparison({"Ledger": _resource(INSTANCE, DATABASE)}, {})
    assert list(database.remarks([], comparison, None)) == []


# -- its parameters ----------------------------------------------------------------------

KNOWN: Mapping[str, Mapping[str, Any]] = {
    "max_connections": {"ApplyType": "static", "IsModifiable": True, "ParameterValue": "200"},
    "log_statement": {"ApplyType": "dynamic", "IsModifiable": True, "ParameterValue": "ddl"},
    "rds.superuser_reserved": {"ApplyType": "static", "IsModifiable": False},
}


def test_a_dynamic_parameter_is_not_remarked() -> None:
    assert _on_parameters({"log_statement": "all"}) == []


@pytest.mark.parametrize("with_instance", [False, True])
def test_a_static_parameter_is_told_with_when_it_holds(with_instance: bool) -> None:
    (remark,) = _on_parameters({"max_connections": "300"}, with_instance=with_instance)
    assert remark.weight is Weight.INTERRUPTS
    assert "static: max_connections; " in remark.text
    assert ("restarts the database in this deployment" in remark.text) is with_instance


def test_a_static_parameter_that_has_the_value_already_is_not_remarked() -> None:
    assert _on_parameters({"max_connections": 200}, old={}) == []


def test_a_parameter_that_rds_does_not_let_be_changed_is_refused() -> None:
    (remark,) = _on_parameters({"rds.superuser_reserved": "9"})[:1]
    assert remark.weight is Weight.IMPOSSIBLE
    assert "RDS does not let rds.superuser_reserved be changed" in remark.text


def test_what_the_group_does_not_list_is_asked_of_the_family() -> None:
    def defaults(stub: Stubber) -> None:
        stub.add_response("describe_db_parameters", {"Parameters": []})
        stub.add_response(
            "describe_engine_default_parameters",
            {"EngineDefaults": {"Parameters": [{"ParameterName": "a", "ApplyType": "static"}]}},
            {"DBParameterGroupFamily": "postgres18"},
        )

    static, unseen = _on_parameters({"a": "1", "b": "2"}, answer=defaults)
    assert "static: a;" in static.text
    assert (unseen.weight, "whether b need" in unseen.text) == (Weight.UNSEEN, True)


def test_a_missing_right_to_the_parameters_is_told() -> None:
    def refused(stub: Stubber) -> None:
        stub.add_client_error("describe_db_parameters", "AccessDenied", "not authorized")

    (remark,) = _on_parameters({"max_connections": "300"}, answer=refused)
    assert remark.weight is Weight.UNSEEN
    assert "DescribeDBParameters failed (AccessDenied" in remark.text


# -- versions of functions ---------------------------------------------------------------

FUNCTION: Mapping[str, Any] = {
    "Code": {"S3Bucket": "assets", "S3Key": "a.zip"},
    "Environment": {"Variables": {"TABLE": "orders"}},
    "FunctionName": "greeter",
    "Tags": [{"Key": "Team", "Value": "a"}],
}


@pytest.mark.parametrize(
    "differing",
    [{}, {"Tags": [{"Key": "Team", "Value": "b"}]}, {"ReservedConcurrentExecutions": 9}],
    ids=["nothing", "tags", "concurrency"],
)
def test_a_version_of_a_function_that_does_not_change_is_remarked(
    differing: Mapping[str, Any],
) -> None:
    """As after an update of the CDK that hashes the template in another way."""
    (remark,) = _on_version(differing)
    assert remark.weight is Weight.FAILS
    assert (remark.stack, remark.logical_id) == ("Shop/Data", "VersionNew")
    assert "neither code nor configuration of Greeter changes" in remark.text
    assert "A version for this Lambda function exists" in remark.text


def test_another_description_of_a_version_makes_no_other_version() -> None:
    (remark,) = _on_version({}, new="VersionOld", description="again")
    assert remark.logical_id == "VersionOld"


@pytest.mark.parametrize(
    "differing",
    [
        {"Environment": {"Variables": {"TABLE": "all-orders"}}},
        {"Description": "another"},
        {"MemorySize": 512},
        {"FunctionName": "another"},
        {"Code": {"ZipFile": "pass"}},
        # Whose content nobody knows here.
        {"Code": {"S3Bucket": "assets", "S3Key": "elsewhere.zip"}},
    ],
)
def test_a_version_of_a_function_that_changes_is_in_order(differing: Mapping[str, Any]) -> None:
    assert _on_version(differing) == []


def test_a_first_version_is_in_order() -> None:
    assert _on_version({}, old=None) == []


@pytest.mark.parametrize(("live", "refused"), [(b"packed", True), (b"other", False)])
def test_another_key_of_the_same_package_is_no_other_package(
    live: bytes, refused: bool, tmp_path: Path
) -> None:
    assembly = _assembly(tmp_path, {"b.zip": b"packed"})

    def published(stub: Stubber) -> None:
        found = [("$LATEST", b"any"), ("9", b"older"), ("10", live)]
        answer = [{"Version": name, "CodeSha256": _sha256(code)} for name, code in found]
        stub.add_response(
            "list_versions_by_function", {"Versions": answer}, {"FunctionName": "physical"}
        )

    moved = {"Code": {"S3Bucket": "assets", "S3Key": "b.zip"}}
    remarks = _on_version(moved, answer=published, package=assembly.package)
    assert [remark.weight for remark in remarks] == ([Weight.FAILS] if refused else [])


def test_a_package_that_cannot_be_compared_is_told(tmp_path: Path) -> None:
    def refused(stub: Stubber) -> None:
        stub.add_client_error("list_versions_by_function", "AccessDeniedException", "no")

    moved = {"Code": {"S3Bucket": "assets", "S3Key": "b.zip"}}
    package = _assembly(tmp_path, {"b.zip": b"packed"}).package
    (remark,) = _on_version(moved, answer=refused, package=package)
    assert remark.weight is Weight.UNSEEN
    assert "ListVersionsByFunction failed (AccessDeniedException: no)" in remark.text


def test_a_folder_is_packed_when_it_is_uploaded_and_not_compared(tmp_path: Path) -> None:
    assembly = _assembly(tmp_path, {"b.zip": b"packed"}, packaging="zip")
    assert assembly.package("b.zip") is None
    assert assembly.package("other.zip") is None


# -- inside ------------------------------------------------------------------------------

Answer = Callable[[Stubber], None]


def _on_database(
    differing: Mapping[str, Any],
    live: Mapping[str, Any] | None = None,
    answer: Answer | None = None,
) -> list[Remark]:
    def described(stub: Stubber) -> None:
        stub.add_response(
            "describe_db_instances",
            {"DBInstances": [{**LIVE, **(live or {})}]},
            {"DBInstanceIdentifier": "payments-ledger"},
        )

    comparison = _comparison(
        {"Ledger": _resource(INSTANCE, DATABASE)},
        {"Ledger": _resource(INSTANCE, {**DATABASE, **differing})},
        {"Ledger": "payments-ledger"},
    )
    return list(_remarks(database.remarks, comparison, "rds", answer or described))


def _on_parameters(
    new: Mapping[str, Any],
    old: Mapping[str, Any] | None = None,
    answer: Answer | None = None,
    *,
    with_instance: bool = False,
) -> list[Remark]:
    def described(stub: Stubber) -> None:
        listed = [{"ParameterName": name, **known} for name, known in KNOWN.items()]
        stub.add_response(
            "describe_db_parameters",
            {"Parameters": listed[:1], "Marker": "more"},
            {"DBParameterGroupName": "physical"},
        )
        stub.add_response("describe_db_parameters", {"Parameters": listed[1:]})

    before, after = (
        {"Group": _resource(GROUP, {"Family": "postgres18", "Parameters": parameters})}
        for parameters in ({"log_lock_waits": "1", **(old or {})}, {"log_lock_waits": "1", **new})
    )
    if with_instance:
        before["Ledger"] = _resource(INSTANCE, DATABASE)
        after["Ledger"] = _resource(INSTANCE, {**DATABASE, "BackupRetentionPeriod": 35})
    comparison = _comparison(before, after, {"Group": "physical"})

    def all_answers(stub: Stubber) -> None:
        (answer or described)(stub)
        if with_instance:
            stub.add_response("describe_db_instances", {"DBInstances": [LIVE]})

    found = _remarks(database.remarks, comparison, "rds", all_answers)
    return [remark for remark in found if remark.logical_id == "Group"]


def _on_version(
    differing: Mapping[str, Any],
    *,
    old: str | None = "VersionOld",
    new: str = "VersionNew",
    description: str = "first",
    answer: Answer = lambda _: None,
    package: versions.Package = lambda _: None,
) -> list[Remark]:
    def version(text: str) -> dict[str, Any]:
        properties = {"FunctionName": {"Ref": "Greeter"}, "Description": text}
        return {**_resource("AWS::Lambda::Version", properties), "DeletionPolicy": "Retain"}

    comparison = _comparison(
        {
            "Greeter": _resource("AWS::Lambda::Function", FUNCTION),
            **({old: version("first")} if old else {}),
        },
        {
            "Greeter": _resource("AWS::Lambda::Function", {**FUNCTION, **differing}),
            new: version(description),
        },
        {"Greeter": "physical"},
    )

    def remarks(changes: Any, tree: Comparison, client: Any) -> Iterator[Remark]:
        return versions.remarks(changes, tree, client, package)

    return list(_remarks(remarks, comparison, "lambda", answer))


def _remarks(
    remarks: Callable[[Any, Comparison, Any], Iterator[Remark]],
    comparison: Comparison,
    service: str,
    answer: Answer,
) -> list[Remark]:
    client = _client(service)
    with Stubber(client) as stub:
        answer(stub)
        found = list(remarks(list(comparison.changes()), comparison, client))
        stub.assert_no_pending_responses()
    return found


def _comparison(
    deployed: Mapping[str, Any],
    wanted: Mapping[str, Any],
    physical_ids: Mapping[str, str] | None = None,
) -> Comparison:
    nested = {"Resources": {"Data": _resource("AWS::CloudFormation::Stack", {})}}
    return Comparison(
        "Shop",
        StackTemplate(
            nested, {"Data": StackTemplate({"Resources": deployed}, {}, physical_ids or {})}
        ),
        StackTemplate(nested, {"Data": StackTemplate({"Resources": wanted})}),
    )


def _resource(resource_type: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"Type": resource_type, "Properties": dict(properties)}


@cache  # making one takes longer than the test
def _client(service: str) -> Any:
    return boto3.Session(
        aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1"
    ).client(service)  # type: ignore[call-overload]


def _sha256(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def _assembly(folder: Path, packages: Mapping[str, bytes], packaging: str = "file") -> Assembly:
    files = {}
    for key, content in packages.items():
        (folder / f"asset.{key}").write_bytes(content)
        files[key] = {
            "source": {"path": f"asset.{key}", "packaging": packaging},
            "destinations": {"here": {"bucketName": "assets", "objectKey": key}},
        }
    (folder / "Shop.assets.json").write_text(json.dumps({"files": files}))
    return Assembly(folder, "Shop", "us-east-1", {})
