"""The change report: what it lists, marks and refuses.

The answers of DescribeChangeSet have the shapes of the CloudFormation API reference: a root
change set made with `IncludeNestedStacks`, whose nested stacks name their own change sets.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
import typer
from botocore.exceptions import NoCredentialsError
from botocore.stub import ANY, Stubber
from rich.console import Console

from assurance.assembly import NESTED_STACK, StackTemplate, synthesized
from config import PRODUCTION, STACKS, ProductionConfig
from ops.cli import main
from ops.console import settings
from ops.console.ending import Stopped
from ops.console.failure import OpsError
from ops.plan import change_sets, presentation
from ops.plan import command as cli
from ops.plan.comparison import Comparison
from ops.plan.marks import STATEFUL, is_security, objections
from ops.plan.model import Action, Change, Remark, Report, Source, Weight
from ops.plan.review import Deployed, combine, look
from ops.production import states
from ops.production.assembly import Assembly
from ops.production.templates import deployed
from tests.environment import PROJECT

ROOT = "Shop"
TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "UpdateReplacePolicy": "Retain",
    "DeletionPolicy": "RetainExceptOnCreate",
    "Properties": {"TableName": "orders", "KeySchema": [{"AttributeName": "id"}]},
}


def _resource(resource_type: str, **properties: object) -> dict[str, Any]:
    return {"Type": resource_type, "Properties": properties}


# As a change set tells of a stack's tags: with no source.
TAGS = {"Target": {"Attribute": "Tags", "RequiresRecreation": "Never"}, "Evaluation": "Static"}


# What another nested stack hands over.
HANDED_OVER = {
    "Target": {
        "Attribute": "Properties",
        "Name": "DBSubnetGroupName",
        "RequiresRecreation": "Always",
    },
    "Evaluation": "Dynamic",
    "ChangeSource": "ParameterReference",
}


# -- the settings ------------------------------------------------------------------------


def test_settings_are_taken_as_they_are() -> None:
    given = ["alert_email=a@b.example", "@aws-cdk/core:target=x=y", "aws:cdk:bundling-stacks=[]"]
    assert settings.checked(given) == given
    assert settings.checked(None) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("nonsense", "'nonsense' is not KEY=VALUE"),
        ("alert_email=", "'alert_email=' is not KEY=VALUE"),
        ("alert-email=a@b.example", "alert-email is not a setting; did you mean alert_email?"),
        ("alert:email=a@b.example", "alert:email is not a setting; did you mean alert_email?"),
        ("foo=bar", "foo is not a setting; did you mean"),
    ],
)
def test_a_setting_that_the_app_would_not_read_is_refused(given: str, told: str) -> None:
    with pytest.raises(typer.BadParameter, match=told):
        settings.checked(["api_rate_limit=50", given])


# -- the templates' word -----------------------------------------------------------------


def test_nothing_is_listed_when_the_templates_are_the_same() -> None:
    assert _compared({"Orders": TABLE}, {"Orders": TABLE}) == {}


def test_metadata_and_order_of_creation_change_nothing() -> None:
    wanted = {**TABLE, "Metadata": {"aws:cdk:path": "Shop/Orders"}, "DependsOn": ["Other"]}
    assert _compared({"Orders": TABLE}, {"Orders": wanted}) == {}


def test_a_resource_that_only_the_new_template_has_is_added() -> None:
    assert _compared({}, {"Orders": TABLE})["Orders"].action is Action.ADDED


@pytest.mark.parametrize("policy", ["Delete", "RetainExceptOnCreate"])
def test_a_removal_tells_what_stays_behind(policy: str) -> None:
    change = _compared({"Orders": {**TABLE, "DeletionPolicy": policy}}, {})["Orders"]
    assert change.action is Action.REMOVED
    assert change.kept == (policy != "Delete")


@pytest.mark.parametrize(
    ("differing", "action"),
    [
        ({"BillingMode": "PAY_PER_REQUEST"}, Action.CHANGED),
        ({"TableName": "all-orders"}, Action.REPLACED),
        # Of this property, the schema says: sometimes.
        ({"KeySchema": [{"AttributeName": "number"}]}, Action.MAY_BE_REPLACED),
    ],
)
def test_the_schema_tells_what_cannot_be_changed_in_place(
    differing: Mapping[str, Any], action: Action
) -> None:
    change = _compared({"Orders": TABLE}, {"Orders": _with(TABLE, **differing)})["Orders"]
    assert change.action is action
    assert change.properties == tuple(differing)


DATABASE = {"Engine": "postgres", "MultiAZ": True, "PerformanceInsightsKMSKeyId": "a"}


@pytest.mark.parametrize(
    ("differing", "action"),
    [
        ({"BackupRetentionPeriod": 35}, Action.CHANGED),
        ({"DBParameterGroupName": "b"}, Action.CHANGED),
        ({"MultiAZ": False}, Action.CHANGED),
        ({"PreferredMaintenanceWindow": "sun:03:00-sun:04:00"}, Action.CHANGED),
        ({"AutoMinorVersionUpgrade": False}, Action.CHANGED),
        ({"Engine": "mysql"}, Action.REPLACED),
        ({"PerformanceInsightsKMSKeyId": "b"}, Action.REPLACED),
        ({"AvailabilityZone": "us-east-1b"}, Action.REPLACED),
        ({"DBSnapshotIdentifier": "a"}, Action.REPLACED),
        # Whose conditions nobody knows here.
        ({"SourceDBInstanceIdentifier": "a"}, Action.MAY_BE_REPLACED),
    ],
)
def test_what_may_replace_a_database_is_judged_by_what_changes(
    differing: Mapping[str, Any], action: Action
) -> None:
    before = _resource("AWS::RDS::DBInstance", **DATABASE)
    change = _compared({"Ledger": before}, {"Ledger": _with(before, **differing)})["Ledger"]
    assert change.action is action


def test_what_is_taken_away_from_a_database_or_added_to_it_replaces_nothing() -> None:
    bare = _resource("AWS::RDS::DBInstance", Engine="postgres")
    measured = _with(bare, PerformanceInsightsKMSKeyId="a")
    restored = _with(bare, DBSnapshotIdentifier="a", AvailabilityZone="a", MultiAZ=True)
    for before, after in ((bare, measured), (restored, _with(bare, MultiAZ=True))):
        assert _compared({"Ledger": before}, {"Ledger": after})["Ledger"].action is Action.CHANGED


@pytest.mark.parametrize(
    ("tenancy", "action"), [("dedicated", Action.REPLACED), ("default", Action.CHANGED)]
)
def test_a_network_leaves_its_dedicated_machines_and_does_not_come_back(
    tenancy: str, action: Action
) -> None:
    network = _resource("AWS::EC2::VPC", CidrBlock="10.0.0.0/16", InstanceTenancy="other")
    found = _compared({"Network": network}, {"Network": _with(network, InstanceTenancy=tenancy)})
    assert found["Network"].action is action


def test_a_change_of_a_retention_policy_alone_is_a_change() -> None:
    wanted = {**TABLE, "DeletionPolicy": "Delete"}
    change = _compared({"Orders": TABLE}, {"Orders": wanted})["Orders"]
    assert (change.action, change.properties) == (Action.CHANGED, ("DeletionPolicy",))


def test_another_type_under_the_same_name_is_a_replacement() -> None:
    change = _compared({"Orders": TABLE}, {"Orders": {"Type": "AWS::S3::Bucket"}})["Orders"]
    assert change.action is Action.REPLACED


@pytest.mark.parametrize(
    ("part", "action"),
    [({"IpFamily": "ipv6"}, Action.REPLACED), ({"ElasticLoadBalancing": {}}, Action.CHANGED)],
)
def test_only_a_part_of_a_property_may_force_a_replacement(
    part: Mapping[str, Any], action: Action
) -> None:
    cluster = _resource("AWS::EKS::Cluster", KubernetesNetworkConfig={"IpFamily": "ipv4"})
    changed = _with(cluster, KubernetesNetworkConfig={"IpFamily": "ipv4", **part})
    assert _compared({"Cluster": cluster}, {"Cluster": changed})["Cluster"].action is action


def test_of_a_type_that_has_no_schema_the_worst_is_assumed() -> None:
    found = _compared(
        {"A": _resource("Any::Own::Type", B=1)}, {"A": _resource("Any::Own::Type", B=2)}
    )
    assert found["A"].action is Action.MAY_BE_REPLACED


def test_what_refers_to_a_replaced_resource_changes_with_it() -> None:
    group = _resource("AWS::RDS::DBSubnetGroup", DBSubnetGroupName="a")
    database = _resource("AWS::RDS::DBInstance", DBSubnetGroupName={"Ref": "Group"})
    found = _compared(
        {"Group": group, "Ledger": database},
        {"Group": _with(group, DBSubnetGroupName="b"), "Ledger": database},
    )
    assert found["Ledger"].action is Action.REPLACED
    assert found["Ledger"].properties == ("DBSubnetGroupName",)


@pytest.mark.parametrize(
    "reference",
    [{"Ref": "Orders"}, {"Fn::GetAtt": ["Orders", "Arn"]}, {"Fn::Sub": "arn-of-${Orders.Arn}"}],
)
def test_a_resource_that_is_changed_in_place_keeps_its_name(reference: object) -> None:
    reader = _resource("AWS::SSM::Parameter", Name="table", Value=reference)
    changed = _with(TABLE, BillingMode="PAY_PER_REQUEST")
    found = _compared({"Orders": TABLE, "Reader": reader}, {"Orders": changed, "Reader": reader})
    assert set(found) == {"Orders"}


@pytest.mark.parametrize(
    ("resource", "differing", "attribute", "changes"),
    [
        ("AWS::RDS::DBInstance", "DBInstanceClass", "Endpoint.Address", False),
        ("AWS::RDS::DBInstance", "DBInstanceClass", "Endpoint.Port", False),
        ("AWS::RDS::DBInstance", "Port", "Endpoint.Port", True),
        ("AWS::DynamoDB::Table", "BillingMode", "StreamArn", False),
        ("AWS::DynamoDB::Table", "StreamSpecification", "StreamArn", True),
        ("AWS::EC2::VPC", "Tags", "DefaultSecurityGroup", False),
    ],
)
def test_an_attribute_changes_with_the_properties_that_it_follows(
    resource: str, differing: str, attribute: str, changes: bool
) -> None:
    before, after = (_resource(resource, **{differing: value}) for value in ("a", "b"))
    reader = _resource("AWS::SSM::Parameter", Value={"Fn::GetAtt": ["It", attribute]})
    found = _compared({"It": before, "Reader": reader}, {"It": after, "Reader": reader})
    assert ("Reader" in found) is changes


def test_another_default_of_a_parameter_may_change_what_refers_to_it() -> None:
    queue = {"Jobs": _resource("AWS::SQS::Queue", QueueName={"Ref": "Name"})}

    def template(name: str) -> StackTemplate:
        return StackTemplate({"Parameters": {"Name": {"Default": name}}, "Resources": queue})

    (change,) = Comparison(ROOT, template("a"), template("b")).changes()
    assert change.action is Action.MAY_BE_REPLACED


def test_a_custom_resource_that_changes_may_answer_otherwise() -> None:
    custom = _resource("Custom::Answer", Question="a")
    bucket = _resource("AWS::S3::Bucket", BucketName={"Fn::GetAtt": ["Answer", "Name"]})
    found = _compared(
        {"Answer": custom, "Bucket": bucket},
        {"Answer": _with(custom, Question="b"), "Bucket": bucket},
    )
    assert found["Bucket"].action is Action.MAY_BE_REPLACED


def test_a_replacement_is_followed_from_one_nested_stack_into_another() -> None:
    def tree(name: str) -> StackTemplate:
        return _two_layers(_resource("AWS::RDS::DBSubnetGroup", DBSubnetGroupName=name))

    changes = {
        change.logical_id: change for change in Comparison(ROOT, tree("a"), tree("b")).changes()
    }
    assert changes["Ledger"].action is Action.REPLACED
    assert changes["Ledger"].stack == "Shop/Data"
    assert "Data" not in changes  # an update of a nested stack is told by what it updates


def test_a_removed_nested_stack_takes_its_resources_with_it() -> None:
    deployed = StackTemplate(
        {"Resources": {"Data": {"Type": "AWS::CloudFormation::Stack"}}},
        {"Data": StackTemplate({"Resources": {"Orders": TABLE}})},
    )
    found = {
        change.logical_id: change.action
        for change in Comparison(ROOT, deployed, StackTemplate({})).changes()
    }
    assert found == {"Data": Action.REMOVED, "Orders": Action.REMOVED}


# -- CloudFormation's word ---------------------------------------------------------------


def test_change_sets_are_read_with_those_of_nested_stacks() -> None:
    data_set = _answer(
        [
            _said(
                "Modify",
                "Orders",
                TABLE["Type"],
                Replacement="True",
                PolicyAction="ReplaceAndRetain",
                Scope=["Properties"],
                Details=[_detail("TableName", "Always")],
            ),
            _said("Remove", "Jobs", "AWS::SQS::Queue", PolicyAction="Delete"),
            _said("Add", "Logs", "AWS::Logs::LogGroup"),
            _said(
                "Modify",
                "Key",
                "AWS::KMS::Key",
                Replacement="Conditional",
                Scope=["Properties", "Metadata"],
                Details=[_detail("KeySpec", "Conditionally")],
            ),
            _said(
                "Modify",
                "Alarm",
                "AWS::CloudWatch::Alarm",
                Replacement="False",
                Scope=["Metadata"],
                Details=[{"Target": {"Attribute": "Metadata", "RequiresRecreation": "Never"}}],
            ),
        ]
    )
    root_set = _answer([_nested("Data", "data-set")])
    found = _read(root_set, data_set)
    assert found.with_children
    assert list(found.changes) == []
    assert [(c.stack, c.logical_id, c.action, c.kept) for c in found.children["Data"].changes] == [
        ("Shop/Data", "Orders", Action.REPLACED, True),
        ("Shop/Data", "Jobs", Action.REMOVED, False),
        ("Shop/Data", "Logs", Action.ADDED, False),
        ("Shop/Data", "Key", Action.MAY_BE_REPLACED, False),
    ]
    assert found.children["Data"].changes[0].properties == ("TableName",)


def test_a_change_set_that_is_being_made_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_sets, "POLL_SECONDS", 0.0)
    pending = _answer([], Status="CREATE_IN_PROGRESS")
    assert list(_read(pending, pending, _answer([])).changes) == []


def test_all_pages_of_a_change_set_are_read() -> None:
    first = _answer([_said("Add", "A", "AWS::SQS::Queue")], NextToken="more")
    second = _answer([_said("Add", "B", "AWS::SQS::Queue")])
    assert [change.logical_id for change in _read(first, second).changes] == ["A", "B"]


def test_a_change_set_without_changes_is_no_failure() -> None:
    reason = "The submitted information didn't contain changes. Submit different information."
    assert list(_read(_answer([], Status="FAILED", StatusReason=reason)).changes) == []


@pytest.mark.parametrize(
    "reason",
    [
        "Template error: no such Fn",
        # Of one child; that says nothing about the others.
        "Nested change set was not created: The submitted information didn't contain changes.",
    ],
)
def test_a_change_set_that_cannot_be_made_tells_why(reason: str) -> None:
    refused = _answer([], Status="FAILED", StatusReason=reason)
    with pytest.raises(OpsError, match=f"Shop: {reason}"):
        _read(refused)


@pytest.mark.parametrize("ending", [None, OpsError("no"), Stopped()])
def test_the_change_set_is_deleted_however_its_reading_ends(ending: BaseException | None) -> None:
    client = _client()
    ends = pytest.raises(type(ending)) if ending else contextlib.nullcontext()
    with Stubber(client) as stub:
        stub.add_response("create_change_set", {"Id": "x" * 20, "StackId": "s" * 20})
        stub.add_response("delete_change_set", {}, {"StackName": ROOT, "ChangeSetName": ANY})
        with ends, change_sets.proposed(client, ROOT, TemplateURL="https://s3/template"):
            if ending:
                raise ending
        stub.assert_no_pending_responses()


def test_a_change_set_that_is_still_being_made_is_deleted_when_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(change_sets, "POLL_SECONDS", 0.0)
    client = _client()
    with Stubber(client) as stub:
        stub.add_response("create_change_set", {"Id": "x" * 20, "StackId": "s" * 20})
        stub.add_client_error("delete_change_set", "InvalidChangeSetStatus", "CREATE_IN_PROGRESS")
        stub.add_response("delete_change_set", {})
        with pytest.raises(Stopped), change_sets.proposed(client, ROOT):
            raise Stopped
        stub.assert_no_pending_responses()


def test_the_change_set_is_deleted_when_the_answer_to_its_creation_is_lost() -> None:
    client = _client()
    with Stubber(client) as stub:
        stub.add_client_error("create_change_set", "Throttling", "connection lost")
        stub.add_response("delete_change_set", {})
        with pytest.raises(client.exceptions.ClientError), change_sets.proposed(client, ROOT):
            raise AssertionError("not reached")
        stub.assert_no_pending_responses()


# -- both together -----------------------------------------------------------------------


def test_nested_stacks_that_cloudformation_leaves_out_are_compared_by_their_templates() -> None:
    # As an endpoint answers that does not know IncludeNestedStacks.
    answer = _answer([_nested("Data", None)])
    del answer["IncludeNestedStacks"]
    report = combine(_read(answer), _data_stack(_with(TABLE, TableName="b")), [ROOT, "Shop/Data"])
    (change,) = report.changes
    assert (change.logical_id, change.action) == ("Orders", Action.REPLACED)
    assert change.source is Source.TEMPLATES
    assert report.by_templates()


def test_a_value_that_cloudformation_does_not_know_yet_is_asked_of_the_templates() -> None:
    """A child's change set takes each output of a sibling for a change, so that a database would
    be replaced with every deployment."""
    unknown = _modified("Ledger", "AWS::RDS::DBInstance", "True", HANDED_OVER)
    said = _read(_answer([_nested("Data", "data-set")]), _answer([unknown]))
    a, b = (_resource("AWS::RDS::DBSubnetGroup", DBSubnetGroupName=name) for name in "ab")

    same = combine(said, Comparison(ROOT, _two_layers(a), _two_layers(a)), [])
    assert (list(same.changes), [c.logical_id for c in same.unconfirmed]) == ([], ["Ledger"])
    assert objections(same) == []

    replaced = combine(said, Comparison(ROOT, _two_layers(a), _two_layers(b)), [])
    assert "Ledger" in [change.logical_id for change in objections(replaced)]
    assert list(replaced.unconfirmed) == []


def test_an_unknown_value_does_not_hide_what_is_changed_directly() -> None:
    storage = _detail("MaxAllocatedStorage", "Never", "DirectModification")
    ledger = _modified("Ledger", "AWS::RDS::DBInstance", "Conditional", HANDED_OVER, storage)
    said = _read(_answer([_nested("Data", "data-set")]), _answer([ledger]))
    group = _resource("AWS::RDS::DBSubnetGroup", DBSubnetGroupName="a")
    report = combine(said, Comparison(ROOT, _two_layers(group), _two_layers(group)), [])
    (change,) = report.changes
    assert change.action is Action.CHANGED


def test_a_replacement_that_cloudformation_is_sure_of_stays() -> None:
    """Whatever the templates say: CloudFormation knows what a resource's schema leaves out."""
    orders = _modified("Orders", TABLE["Type"], "True", _detail("KeySchema", "Always"))
    said = _read(_answer([_nested("Data", "data-set")]), _answer([orders]))
    wanted = _with(TABLE, KeySchema=[{"AttributeName": "number"}])
    (change,) = combine(said, _data_stack(wanted), []).changes
    assert (change.action, change.source) == (Action.REPLACED, Source.CHANGE_SET)


@pytest.mark.parametrize("evaluation", ["Static", "Dynamic"])
def test_a_reference_to_a_resource_that_stays_replaces_nothing(evaluation: str) -> None:
    """A key gets other tags. CloudFormation lists the database under it as possibly replaced, with
    the change of a property whose text is what it was."""
    key = _resource("AWS::KMS::Key", Tags=[{"Key": "Team", "Value": "a"}])
    ledger = _resource("AWS::RDS::DBInstance", KmsKeyId={"Fn::GetAtt": ["Key", "Arn"]})
    answer = _answer(
        [
            _modified("Key", "AWS::KMS::Key", "False", TAGS),
            _modified(
                "Ledger",
                "AWS::RDS::DBInstance",
                "Conditional",
                TAGS,
                {**_detail("KmsKeyId", "Always"), "Evaluation": "Dynamic"},
                {
                    **_detail("KmsKeyId", "Always", "ResourceAttribute"),
                    "Evaluation": evaluation,
                    "CausingEntity": "Key.Arn",
                },
            ),
        ]
    )
    wanted = {"Key": _with(key, Tags=[{"Key": "Team", "Value": "b"}]), "Ledger": ledger}
    comparison = _comparison({"Key": key, "Ledger": ledger}, wanted)
    report = combine(_read(answer), comparison, [])
    assert _actions(report) == {"Key": Action.CHANGED, "Ledger": Action.CHANGED}
    assert {change.properties for change in report.changes} == {("Tags",)}


def test_what_depends_is_judged_by_the_type_when_the_change_is_certain() -> None:
    details = [_detail("BackupRetentionPeriod", "Conditionally")]
    ledger = _resource("AWS::RDS::DBInstance", BackupRetentionPeriod=30)
    answer = _answer([_modified("Ledger", ledger["Type"], "Conditional", *details)])
    wanted = _with(ledger, BackupRetentionPeriod=35)
    comparison = _comparison({"Ledger": ledger}, {"Ledger": wanted})
    (change,) = combine(_read(answer), comparison, []).changes
    assert (change.action, change.source) == (Action.CHANGED, Source.CHANGE_SET)


@pytest.mark.parametrize(
    ("before", "after", "action"),
    [
        # An endpoint that says of each property of a type that it depends.
        (_resource("AWS::KMS::Key", A=1), {"A": 2}, Action.CHANGED),
        (_resource("Custom::Seal", A=1), {"A": 2}, Action.CHANGED),
        (_resource("AWS::SQS::Queue", A=1, QueueName="a"), {"QueueName": "b"}, Action.REPLACED),
        (TABLE, {"KeySchema": []}, Action.MAY_BE_REPLACED),
        (_resource("Any::Own::Type", A=1), {"A": 2}, Action.MAY_BE_REPLACED),
        # It knows of a change that the templates do not tell.
        (_resource("AWS::KMS::Key", A=1), {}, Action.MAY_BE_REPLACED),
    ],
)
def test_what_depends_is_judged_by_the_schema(
    before: Mapping[str, Any], after: Mapping[str, Any], action: Action
) -> None:
    details = [_detail(name, "Conditionally") for name in (after or {"A": 2})]
    answer = _answer([_modified("It", before["Type"], "Conditional", *details)])
    comparison = _comparison({"It": before}, {"It": _with(before, **after)})
    (change,) = combine(_read(answer), comparison, []).changes
    assert change.action is action


def test_without_details_what_depends_is_asked_of_the_templates() -> None:
    ledger = _resource("AWS::RDS::DBInstance", BackupRetentionPeriod=30)
    answer = _answer(
        [
            _modified("Ledger", ledger["Type"], "Conditional"),
            _said("Modify", "Jobs", "AWS::SQS::Queue", Replacement="Conditional"),
        ]
    )
    jobs = _resource("AWS::SQS::Queue", QueueName="jobs")
    comparison = _comparison(
        {"Ledger": ledger, "Jobs": jobs},
        {"Ledger": _with(ledger, BackupRetentionPeriod=35), "Jobs": jobs},
    )
    assert _actions(combine(_read(answer), comparison, [])) == {
        "Ledger": Action.CHANGED,
        "Jobs": Action.MAY_BE_REPLACED,  # which the templates do not explain
    }


def test_what_refers_to_what_cloudformation_is_sure_to_replace_changes_with_it() -> None:
    """In another nested stack, and though the schemas do not say that this property replaces."""
    group = _resource("AWS::RDS::DBSubnetGroup", DBSubnetGroupDescription="a")
    changed = _with(group, DBSubnetGroupDescription="b")
    described = _detail("DBSubnetGroupDescription", "Always")
    network = _answer([_modified("Group", group["Type"], "True", described)])
    data = _answer([_modified("Ledger", "AWS::RDS::DBInstance", "True", HANDED_OVER)])
    root = _answer([_nested("Network", "network-set"), _nested("Data", "data-set")])
    comparison = Comparison(ROOT, _two_layers(group), _two_layers(changed))
    report = combine(_read(root, network, data), comparison, [])
    assert _actions(report) == {"Group": Action.REPLACED, "Ledger": Action.REPLACED}


def test_the_list_goes_stack_by_stack_the_gravest_first() -> None:
    queue = _resource("AWS::SQS::Queue")
    comparison = Comparison(
        ROOT,
        _with_child({"Orders": TABLE, "Old": queue}),
        _with_child({"Orders": _with(TABLE, TableName="b"), "New": queue}),
    )
    report = combine(change_sets.ChangeSet(False), comparison, [ROOT, "Shop/Data"])
    assert [change.logical_id for change in report.changes] == ["Old", "Orders", "New"]


# -- marks and refusal -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource_type", "properties", "expected"),
    [
        ("AWS::IAM::Role", ("AssumeRolePolicyDocument",), True),
        ("AWS::IAM::ManagedPolicy", ("PolicyDocument",), True),
        ("AWS::EC2::SecurityGroup", (), True),
        ("AWS::EC2::SecurityGroupIngress", (), True),
        ("AWS::KMS::Key", ("KeyPolicy",), True),
        ("AWS::S3::BucketPolicy", ("PolicyDocument",), True),
        ("AWS::SQS::QueuePolicy", ("PolicyDocument",), True),
        ("AWS::SNS::TopicPolicy", ("PolicyDocument",), True),
        ("AWS::Lambda::Permission", ("Principal",), True),
        ("AWS::ApiGateway::Method", ("ApiKeyRequired",), True),
        ("AWS::ApiGateway::Method", ("AuthorizationType",), True),
        ("AWS::ApiGateway::Method", ("Integration",), False),
        ("AWS::ApiGateway::Method", (), True),  # a new way in
        ("AWS::RDS::DBInstance", ("PubliclyAccessible",), True),
        ("AWS::RDS::DBInstance", ("AllocatedStorage",), False),
        ("AWS::S3::Bucket", ("PublicAccessBlockConfiguration",), True),
        ("AWS::Lambda::Function", ("Environment",), False),
        ("AWS::Lambda::Function", ("Role",), True),
        ("AWS::CloudWatch::Alarm", ("Threshold",), False),
    ],
)
def test_what_decides_who_may_do_what_is_marked(
    resource_type: str, properties: tuple[str, ...], expected: bool
) -> None:
    assert is_security(_change(resource_type, properties=properties)) is expected


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("resource_type", sorted(STATEFUL))
def test_the_end_of_a_stateful_resource_is_refused(resource_type: str, action: Action) -> None:
    ends = action not in (Action.ADDED, Action.CHANGED)
    report = Report(stack=ROOT, changes=[_change(resource_type, action)])
    assert bool(objections(report)) is ends
    assert objections(report, ["Other", "It"]) == []
    assert bool(objections(report, ["Other"])) is ends


@pytest.mark.parametrize("resource_type", ["AWS::EC2::VPC", "AWS::EC2::Subnet"])
def test_a_network_cannot_be_replaced_and_so_not_be_allowed_to(resource_type: str) -> None:
    def refused(action: Action, *allowed: str) -> bool:
        report = Report(stack=ROOT, changes=[_change(resource_type, action)])
        return bool(objections(report, allowed))

    assert refused(Action.REPLACED)
    assert refused(Action.REPLACED, "It")
    # It is not needed any more, or the schema leaves open what happens.
    for action in (Action.REMOVED, Action.MAY_BE_REPLACED):
        assert refused(action)
        assert not refused(action, "It")
    for action in (Action.ADDED, Action.CHANGED):
        assert not refused(action)


def test_what_can_be_made_again_may_be_replaced() -> None:
    report = Report(stack=ROOT, changes=[_change("AWS::ApiGateway::Deployment", Action.REMOVED)])
    assert objections(report) == []


def test_every_stateful_type_of_the_templates_is_known() -> None:
    """What is retained when its stack goes is either known as stateful or named here."""
    others = {
        "AWS::ApiGateway::Account",  # a setting of the account
        "AWS::IAM::ManagedPolicy",  # of the database's monitoring role
        "AWS::IAM::Role",
        "AWS::Lambda::Version",  # each release leaves the ones before it
        "AWS::S3::BucketPolicy",
        "AWS::SQS::QueuePolicy",
    }
    snapshots = Path(__file__).resolve().parents[2] / "snapshots"
    retained = {
        resource["Type"]
        for file in snapshots.glob("*.json")
        for resource in json.loads(file.read_text())["Resources"].values()
        if resource.get("DeletionPolicy", "Delete") != "Delete"
    }
    assert "AWS::RDS::DBInstance" in retained
    assert retained - set(STATEFUL) - others == set()


# -- presentation ------------------------------------------------------------------------


def test_the_report_tells_marks_and_counts_on_eighty_columns() -> None:
    shown = _shown(
        Report(
            stack=ROOT,
            changes=[
                _change("AWS::DynamoDB::Table", Action.REPLACED, properties=("TableName",)),
                _change("AWS::IAM::Role", Action.CHANGED),
            ],
        )
    )
    assert "replaced" in shown
    assert "AWS::DynamoDB::Table: TableName" in shown
    assert "stateful" in shown
    assert "1 replaced, 1 changed, 1 of security" in shown


def test_no_changes_are_told_as_such() -> None:
    assert _shown(Report(stack=ROOT)).strip() == "Shop: no resource changes"


def test_a_refusal_says_what_would_be_lost_and_how_to_insist() -> None:
    output = io.StringIO()
    refused = [_change("AWS::RDS::DBInstance", Action.REPLACED)]
    presentation.show_objections(Console(file=output, width=200), refused)
    assert "It (AWS::RDS::DBInstance) would be replaced; lost: the database" in output.getvalue()
    assert "--allow-replacement It" in output.getvalue()


@pytest.mark.parametrize(
    ("resource_type", "settings"),
    [
        ("AWS::EC2::Subnet", ["availability_zones", "vpc_cidr"]),
        ("AWS::EC2::VPC", ["vpc_cidr"]),
    ],
)
def test_a_refusal_of_another_network_says_why_and_which_settings_to_keep(
    resource_type: str, settings: list[str]
) -> None:
    output = io.StringIO()
    refused = [_change(resource_type, Action.REPLACED)]
    presentation.show_objections(Console(file=output, width=500), refused)
    told = output.getvalue()
    assert f"It ({resource_type}) would be replaced, which cannot succeed: " in told
    assert f"Keep {' and '.join(settings)} as " in told
    assert set(settings) <= ProductionConfig.model_fields.keys()
    assert "--allow-replacement" not in told


def test_remarks_are_told_with_the_change_and_by_themselves() -> None:
    remark = Remark(
        stack=ROOT, logical_id="It", weight=Weight.INTERRUPTS, text="[bold]a minute without it"
    )
    report = Report(
        stack=ROOT, changes=[_change("AWS::RDS::DBInstance", Action.CHANGED)], remarks=[remark]
    )
    shown = _shown(report)
    assert shown.count("interrupts") == 2
    assert "interrupts It: [bold]a minute without it" in shown
    (told,) = presentation.as_document(report)["remarks"]
    assert (told["logical_id"], told["weight"]) == ("It", "interrupts")


def test_the_report_for_programs_has_the_marks_too() -> None:
    report = Report(stack=ROOT, changes=[_change("AWS::KMS::Key", Action.REMOVED)])
    document = json.loads(json.dumps(presentation.as_document(report)))
    (change,) = document["changes"]
    assert change["action"] == "removed"
    assert change["security"] is True
    assert document["refused"] == ["It"]
    assert presentation.as_document(report, ["It"])["refused"] == []


# -- the command line --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "exists"),
    [
        ("CREATE_COMPLETE", True),
        ("UPDATE_COMPLETE", True),
        ("UPDATE_ROLLBACK_COMPLETE", True),
        ("REVIEW_IN_PROGRESS", False),
        ("ROLLBACK_COMPLETE", False),
    ],
)
def test_what_is_deployed_decides_whether_there_is_something_to_change(
    status: str, exists: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert _looked(status, monkeypatch, tmp_path).exists is exists


@pytest.mark.parametrize(
    "status", ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED", "DELETE_FAILED", "ROLLBACK_FAILED"]
)
def test_a_stack_that_cannot_be_deployed_to_is_told_by_its_state(
    status: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(OpsError, match=f"Shop is {status}: "):
        _looked(status, monkeypatch, tmp_path)


@pytest.mark.parametrize("status", ["UPDATE_FAILED", "CREATE_FAILED"])
def test_a_stack_that_failed_without_a_rollback_is_told_with_the_way_back(
    status: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = rf"^Shop is {status}: .*--no-rollback.* rollback-stack --stack-name Shop \(docs/"
    with pytest.raises(OpsError, match=told):
        _looked(status, monkeypatch, tmp_path)


def test_every_state_of_a_stack_is_known_to_the_pages() -> None:
    model = botocore.session.get_session().get_service_model("cloudformation")
    readme, *runbooks = (
        (PROJECT / name).read_text(encoding="utf-8")
        for name in ("README.md", "docs/runbooks/deploy.md", "docs/runbooks/rollback.md")
    )
    statuses = model.shape_for("StackStatus").metadata["enum"]
    assert {"CREATE_FAILED", "UPDATE_FAILED"} < set(statuses)
    for status in statuses:
        out = states.way_out(status, "PaymentsProd")
        assert bool(out) == (not status.endswith("_COMPLETE") and status != "REVIEW_IN_PROGRESS")
        for page in re.findall(r"docs/runbooks/\w+\.md", out):
            assert (PROJECT / page).exists()
        if "rollback-stack" in out:
            command = "aws cloudformation rollback-stack --stack-name PaymentsProd"
            for text in (readme, *runbooks):
                assert f"`{status}`" in text
                assert command in text


def test_a_refused_deployment_does_not_begin(runs: Runs) -> None:
    runs.changes = [_change("AWS::RDS::DBInstance", Action.REPLACED)]
    assert runs("deploy", "--yes") == 1
    assert runs("deploy", "--yes", "--allow-replacement", "Other") == 1
    assert runs.deployed == 0
    assert runs("deploy", "--yes", "--allow-replacement", "It") == 0
    assert runs.deployed == 1


def test_what_aws_would_refuse_does_not_begin_whatever_is_allowed(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.changes = [_change("AWS::RDS::DBInstance")]
    runs.remarks = [
        Remark(stack=ROOT, logical_id="It", weight=Weight.IMPOSSIBLE, text="it has 220 GiB")
    ]
    for command in (["plan"], ["plan", "--json"], ["deploy", "--yes"]):
        assert runs(*command, "--allow-replacement", "It") == 1
        assert "it has 220 GiB" in capsys.readouterr().out
    assert runs.deployed == 0


@pytest.mark.parametrize("weight", [Weight.FAILS, Weight.INTERRUPTS, Weight.UNSEEN])
def test_other_remarks_hold_up_nothing(runs: Runs, weight: Weight) -> None:
    runs.changes = [_change("AWS::RDS::DBInstance")]
    runs.remarks = [Remark(stack=ROOT, logical_id="It", weight=weight, text="so")]
    assert runs("plan") == 0
    assert runs("deploy", "--yes") == 0
    assert runs.deployed == 1


def test_a_plan_with_an_objection_has_exit_code_1_and_deploys_nothing(runs: Runs) -> None:
    runs.changes = [_change("AWS::RDS::DBInstance", Action.REMOVED)]
    assert runs("plan") == 1
    assert runs("plan", "--json") == 1
    assert runs("plan", "--allow-replacement", "It") == 0
    assert runs.deployed == 0


def test_the_assembly_that_was_reported_on_is_the_one_that_is_deployed(runs: Runs) -> None:
    runs.changes = [_change("AWS::CloudWatch::Alarm")]
    assert runs("deploy", "--yes") == 0
    assert runs.steps == ["report on cdk.out", "deploy cdk.out"]


def test_nothing_is_deployed_when_there_is_nobody_to_ask(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.changes = [_change("AWS::CloudWatch::Alarm")]
    assert runs("deploy") == 2
    assert "no terminal to ask on: say --yes" in capsys.readouterr().err
    assert runs.deployed == 0


def test_nothing_is_deployed_onto_what_somebody_else_changed_meanwhile(runs: Runs) -> None:
    runs.changes = [_change("AWS::CloudWatch::Alarm")]
    runs.others_deploy = True
    assert runs("deploy", "--yes") == 2
    assert runs.deployed == 0


def test_who_is_not_signed_in_waits_for_no_synthesis(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unknown(*_: object, **__: object) -> Any:
        raise NoCredentialsError

    monkeypatch.setattr("boto3.client", unknown)
    monkeypatch.setattr(cli, "at_hand", lambda *_: pytest.fail("it synthesized"))
    monkeypatch.setattr("sys.argv", ["ops", "plan"])
    assert main() == 2
    assert "no AWS credentials" in capsys.readouterr().err
    assert runs.steps == []


def test_settings_are_not_kept_unless_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cdk.json"
    text = (PROJECT / "cdk.json").read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    given = settings.checked(["validator_concurrency=40", "team_tag=money"])
    assert "hold for this command only" in capsys.readouterr().err
    settings.remember(given, file)
    before, after = json.loads(text)["context"], json.loads(file.read_text())["context"]
    assert ProductionConfig.from_context(after) == ProductionConfig.from_context(
        {**before, "validator_concurrency": 40, "team_tag": "money"}
    )
    settings.remember(["environment=staging", "api_rate_limit=10"], file)
    staging = json.loads(file.read_text())["context"]["staging"]
    assert (staging["api_rate_limit"], "environment" in staging) == (10, False)
    # All else stays as it was written.
    lines = file.read_text(encoding="utf-8").splitlines()
    assert len([line for line in text.splitlines() if line not in lines]) <= 3


@pytest.mark.parametrize("since", ["changes", "deployment", "template"])
def test_an_approved_plan_is_deployed_or_nothing(runs: Runs, since: str, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")
    runs.changes = [_change("AWS::CloudWatch::Alarm")]
    assert runs("plan", "--save", plan) == 0
    assert runs("deploy", "--yes", "--plan", plan) == 0
    assert runs.deployed == 1
    match since:
        case "changes":
            runs.changes = [_change("AWS::CloudWatch::Alarm"), _change("AWS::SNS::Topic")]
        case "deployment":
            runs.others_deploy = True
        case "template":
            runs.template = "another.json"
    assert runs("deploy", "--yes", "--plan", plan) == 2
    assert runs.deployed == 1


class Runs:
    """The command line, with an assembly and an account that are not there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.changes: list[Change] = []
        self.remarks: list[Remark] = []
        self.others_deploy = False
        self.template = "one.json"
        self.steps: list[str] = []
        self._folder = folder
        self._looks = 0
        self._monkeypatch = monkeypatch
        monkeypatch.setattr("ops.console.ending.stop_on_signals", lambda: None)
        monkeypatch.setattr(cli, "look", self._look)
        monkeypatch.setattr(cli, "review", self._review)
        monkeypatch.setattr(Assembly, "deploy", self._deploy)
        monkeypatch.setattr(Assembly, "template_url", lambda *_: self.template)

    @property
    def deployed(self) -> int:
        return sum(step.startswith("deploy") for step in self.steps)

    def __call__(self, *arguments: str) -> int:
        command = ["ops", *arguments, "--assembly", str(_assembly(self._folder).folder)]
        self._monkeypatch.setattr("sys.argv", command)
        self._monkeypatch.setattr("sys.stdin", io.StringIO())
        return main()

    def _look(self, _assembly: Assembly) -> Deployed:
        self._looks += self.others_deploy
        return Deployed(str(self._looks), exists=True)

    def _review(self, assembly: Assembly, _now: Deployed) -> Report:
        self.steps.append(f"report on {assembly.folder.name}")
        return Report(stack=ROOT, changes=self.changes, remarks=self.remarks)

    def _deploy(self) -> None:
        self.steps.append(f"deploy {self._folder.name}")


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Runs:
    return Runs(monkeypatch, tmp_path / "cdk.out")


# -- the assembly ------------------------------------------------------------------------


def test_an_assembly_is_read_with_its_nested_templates(tmp_path: Path) -> None:
    child = {"Resources": {"Orders": TABLE}}
    nested = _resource(NESTED_STACK, TemplateURL={"Fn::Sub": "https://assets-${Where}/0a1b.json"})
    (tmp_path / "Shop.template.json").write_text(json.dumps({"Resources": {"Data": nested}}))
    (tmp_path / "child.json").write_text(json.dumps(child))
    assets = {"0a1b": {"source": {"path": "child.json"}}, "c2d3": {"source": {"path": "asset.zip"}}}
    (tmp_path / "Shop.assets.json").write_text(json.dumps({"files": assets}))
    template = synthesized(tmp_path / "Shop.template.json")
    assert template.children["Data"].body == child
    assert list(template.paths(ROOT)) == ["Shop", "Shop/Data"]


def test_a_deployed_template_is_read_with_what_its_resources_are_called() -> None:
    nested = {"Resources": {"Data": _resource("AWS::CloudFormation::Stack")}}
    listed = [
        ("Data", "AWS::CloudFormation::Stack", "arn:child", "UPDATE_COMPLETE"),
        ("Gone", "AWS::SQS::Queue", "gone", "DELETE_COMPLETE"),
        ("Never", "AWS::SQS::Queue", None, "CREATE_FAILED"),
    ]
    client = _client()
    with Stubber(client) as stub:
        _stands(stub, nested, listed)
        _stands(stub, {"Resources": {"Orders": TABLE}}, [("Orders", "T", "orders", "IMPORTED")])
        found = deployed(client, ROOT)
    assert found.physical_ids == {"Data": "arn:child"}
    assert found.children["Data"].physical_ids == {"Orders": "orders"}


def test_a_folder_that_is_no_assembly_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="is no cloud assembly"):
        Assembly.read(tmp_path)


# -- inside ------------------------------------------------------------------------------


def _with(resource: Mapping[str, Any], **properties: object) -> dict[str, Any]:
    return {**resource, "Properties": {**resource["Properties"], **properties}}


def _comparison(deployed: Mapping[str, Any], wanted: Mapping[str, Any]) -> Comparison:
    before, after = (StackTemplate({"Resources": resources}) for resources in (deployed, wanted))
    return Comparison(ROOT, before, after)


def _compared(deployed: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Change]:
    return {change.logical_id: change for change in _comparison(deployed, wanted).changes()}


def _actions(report: Report) -> dict[str, Action]:
    return {change.logical_id: change.action for change in report.changes}


def _with_child(resources: Mapping[str, Any]) -> StackTemplate:
    return StackTemplate(
        {"Resources": {"Data": _resource("AWS::CloudFormation::Stack")}},
        {"Data": StackTemplate({"Resources": resources})},
    )


def _data_stack(wanted: Mapping[str, Any]) -> Comparison:
    return Comparison(ROOT, _with_child({"Orders": TABLE}), _with_child({"Orders": wanted}))


def _two_layers(group: Mapping[str, Any]) -> StackTemplate:
    """A nested stack with a subnet group, and one with a database that is handed its name."""
    network = {"Resources": {"Group": group}, "Outputs": {"Name": {"Value": {"Ref": "Group"}}}}
    ledger = _resource("AWS::RDS::DBInstance", DBSubnetGroupName={"Ref": "GroupName"})
    data = {"Parameters": {"GroupName": {"Type": "String"}}, "Resources": {"Ledger": ledger}}
    handed_over = {"GroupName": {"Fn::GetAtt": ["Network", "Outputs.Name"]}}
    root = {
        "Network": _resource("AWS::CloudFormation::Stack"),
        "Data": _resource("AWS::CloudFormation::Stack", Parameters=handed_over),
    }
    children = {"Network": StackTemplate(network), "Data": StackTemplate(data)}
    return StackTemplate({"Resources": root}, children)


def _change(
    resource_type: str, action: Action = Action.CHANGED, properties: tuple[str, ...] = ()
) -> Change:
    return Change(
        stack=ROOT,
        logical_id="It",
        resource_type=resource_type,
        action=action,
        source=Source.CHANGE_SET,
        properties=properties,
    )


def _client() -> Any:
    return boto3.client(
        "cloudformation",
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )


def _read(*answers: Mapping[str, Any]) -> change_sets.ChangeSet:
    client = _client()
    with Stubber(client) as stub:
        for answer in answers:
            stub.add_response("describe_change_set", dict(answer))
        found = change_sets.read(client, ROOT, "report", ROOT)
        stub.assert_no_pending_responses()
    return found


def _answer(changes: list[dict[str, Any]], **others: str) -> dict[str, Any]:
    return {
        "ChangeSetName": "report",
        "StackName": ROOT,
        "Status": "CREATE_COMPLETE",
        "ExecutionStatus": "AVAILABLE",
        "IncludeNestedStacks": True,
        "Changes": changes,
        **others,
    }


def _stands(
    stub: Stubber, body: Mapping[str, Any], listed: list[tuple[str, str, str | None, str]]
) -> None:
    """A deployed stack's template and resources, as CloudFormation answers."""
    stub.add_response("get_template", {"TemplateBody": json.dumps(body)})
    summaries = [
        {
            "LogicalResourceId": logical_id,
            "ResourceType": resource_type,
            "ResourceStatus": status,
            "LastUpdatedTimestamp": datetime.now(UTC),
            **({"PhysicalResourceId": physical_id} if physical_id else {}),
        }
        for logical_id, resource_type, physical_id, status in listed
    ]
    stub.add_response("list_stack_resources", {"StackResourceSummaries": summaries})


def _said(action: str, logical_id: str, resource_type: object, **others: object) -> dict[str, Any]:
    change = {"Action": action, "LogicalResourceId": logical_id, "ResourceType": resource_type}
    return {"Type": "Resource", "ResourceChange": {**change, **others}}


def _modified(
    logical_id: str, type_: object, replacement: str, *details: dict[str, Any]
) -> dict[str, Any]:
    return _said("Modify", logical_id, type_, Replacement=replacement, Details=list(details))


def _nested(logical_id: str, change_set: str | None) -> dict[str, Any]:
    others: dict[str, object] = {} if change_set is None else {"ChangeSetId": change_set}
    return _said(
        "Modify",
        logical_id,
        "AWS::CloudFormation::Stack",
        PhysicalResourceId=f"arn:aws:cloudformation:us-east-1:123456789012:stack/{logical_id}/1",
        Replacement="False",
        Scope=["Properties"],
        Details=[_detail("TemplateURL", "Never")],
        **others,
    )


def _detail(name: str, recreation: str, source: str = "DirectModification") -> dict[str, Any]:
    return {
        "Target": {"Attribute": "Properties", "Name": name, "RequiresRecreation": recreation},
        "Evaluation": "Static" if source == "DirectModification" else "Dynamic",
        "ChangeSource": source,
    }


def _assembly(folder: Path) -> Assembly:
    """One with a root template that has nothing in it."""
    artifact = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://unknown-account/us-east-1",
        "properties": {"templateFile": "root.json"},
    }
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps({"artifacts": {ROOT: artifact}}))
    (folder / "root.json").write_text(json.dumps({"Resources": {}}))
    return Assembly.read(folder)


def _looked(status: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Deployed:
    client = _client()
    monkeypatch.setattr("boto3.client", lambda *_args, **_kwargs: client)
    stack = {"StackName": ROOT, "CreationTime": datetime.now(UTC), "StackStatus": status}
    with Stubber(client) as stub:
        for _ in STACKS.keys() - {PRODUCTION}:
            stub.add_client_error("describe_stacks", "ValidationError", "Stack does not exist")
        stub.add_response("describe_stacks", {"Stacks": [{**stack, "StackId": "shop/1"}]})
        return look(_assembly(folder))


def _shown(report: Report) -> str:
    output = io.StringIO()
    presentation.show(Console(file=output, width=80), report)
    assert all(len(line.rstrip()) <= 80 for line in output.getvalue().splitlines())
    return output.getvalue()
