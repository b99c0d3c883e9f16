"""`python -m ops plan` and `deploy` against a stack with nested stacks that is really deployed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
from aws_cdk import App, NestedStack, RemovalPolicy, Stack
from aws_cdk import Environment as Target
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs

from local import aws
from tests.command_line import Answer, operators_tool
from tests.deployment import bootstrap
from tests.environment import PROJECT, Environment, serving, wait_for

SECONDS = 300
CDK = PROJECT / "node_modules" / ".bin" / "cdk"


@dataclass(frozen=True)
class Shop:
    """A stack with a table and a queue in one nested stack, and a function in another."""

    name: str
    table: str
    word: str = "hello"
    with_queue: bool = True
    version: str = "First"

    def synthesize(self, folder: Path) -> Path:
        # As the CDK command line sets it: which file is which nested stack's template.
        context = {"aws:cdk:enable-asset-metadata": True}
        app = App(
            outdir=str(folder),
            analytics_reporting=False,
            builtin_cloud_formation_validation=False,
            context=context,
        )
        root = Stack(app, self.name, env=Target(region=aws.REGION))
        data = NestedStack(root, "Data")
        orders = dynamodb.CfnTable(
            data,
            "Orders",
            table_name=self.table,
            billing_mode="PAY_PER_REQUEST",
            attribute_definitions=[
                dynamodb.CfnTable.AttributeDefinitionProperty(
                    attribute_name="id", attribute_type="S"
                )
            ],
            key_schema=[dynamodb.CfnTable.KeySchemaProperty(attribute_name="id", key_type="HASH")],
        )
        orders.apply_removal_policy(RemovalPolicy.DESTROY)
        if self.with_queue:
            sqs.CfnQueue(data, "Jobs").apply_removal_policy(RemovalPolicy.DESTROY)
        compute = NestedStack(root, "Compute")
        greeter = lambda_.Function(
            compute,
            "Greeter",
            runtime=lambda_.Runtime.PYTHON_3_14,
            handler="index.handler",
            code=lambda_.Code.from_inline("def handler(event, context): pass"),
            environment={"WORD": self.word, "TABLE": orders.ref},
        )
        lambda_.CfnVersion(compute, self.version, function_name=greeter.function_name)
        app.synth()
        return folder


@dataclass(frozen=True)
class CommandLine:
    environment: Environment

    def __call__(self, *arguments: str | Path) -> Answer:
        return operators_tool(self.environment, *map(str, arguments), COLUMNS="200")

    def report(self, assembly: Path) -> dict[str, Any]:
        done = self("plan", "--json", "--assembly", assembly)
        found = done.document
        assert done.code == bool(found["refused"]), done.errors
        return found


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    directory = tmp_path_factory.mktemp("environment")
    with serving(directory) as running:
        bootstrap(running, stack=None)
        yield running


@pytest.fixture(scope="module")
def change_report(environment: Environment) -> CommandLine:
    return CommandLine(environment)


@pytest.fixture(scope="module")
def deployed(change_report: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """For reports only: nothing deploys to it any more."""
    shop = _new()
    assembly = shop.synthesize(tmp_path_factory.mktemp("deployed"))
    done = change_report("deploy", "--yes", "--assembly", assembly)
    assert done.code == 0, done.output + done.errors
    return shop


def _new() -> Shop:
    name = uuid.uuid4().hex[:8]
    return Shop(f"Shop{name}", f"orders-{name}")


def test_an_unchanged_assembly_has_nothing_to_report(
    change_report: CommandLine, deployed: Shop, tmp_path: Path
) -> None:
    assembly = deployed.synthesize(tmp_path / "out")
    done = change_report("plan", "--assembly", assembly)
    assert (done.code, done.output) == (0, f"{deployed.name}: no resource changes\n")


def test_a_changed_variable_of_a_function_in_a_nested_stack_is_reported(
    change_report: CommandLine, deployed: Shop, tmp_path: Path
) -> None:
    report = change_report.report(replace(deployed, word="bye").synthesize(tmp_path / "out"))
    (change,) = report["changes"]
    assert change["resource_type"] == "AWS::Lambda::Function"
    assert (change["action"], change["properties"]) == ("changed", ["Environment"])
    assert change["stack"].startswith(f"{deployed.name}/Compute")
    assert report["refused"] == []


def test_a_table_that_would_be_replaced_is_refused_and_what_uses_it_is_reported(
    change_report: CommandLine, deployed: Shop, tmp_path: Path
) -> None:
    renamed = replace(deployed, table=f"all-{deployed.table}")
    report = change_report.report(renamed.synthesize(tmp_path / "out"))
    actions = {change["resource_type"]: change["action"] for change in report["changes"]}
    assert actions["AWS::DynamoDB::Table"] == "replaced"
    assert actions["AWS::Lambda::Function"] == "changed"  # it has the table's name
    assert report["refused"] == ["Orders"]


def test_a_removed_queue_is_refused_with_what_would_be_lost(
    change_report: CommandLine, deployed: Shop, tmp_path: Path
) -> None:
    assembly = replace(deployed, with_queue=False).synthesize(tmp_path / "out")
    done = change_report("deploy", "--yes", "--assembly", assembly)
    assert done.code == 1
    assert "Jobs (AWS::SQS::Queue) would be removed; lost: the queue's messages" in done.output
    assert "--allow-replacement Jobs" in done.output
    assert len(change_report.environment.client("sqs").list_queues()["QueueUrls"]) > 0


def test_a_version_is_warned_of_whose_function_does_not_change(
    change_report: CommandLine, deployed: Shop, tmp_path: Path
) -> None:
    again = replace(deployed, version="Second")
    report = change_report.report(again.synthesize(tmp_path / "again"))
    assert [(each["logical_id"], each["weight"]) for each in report["remarks"]] == [
        ("Second", "would fail")
    ]
    changed = replace(again, word="bye")
    assert change_report.report(changed.synthesize(tmp_path / "changed"))["remarks"] == []


def test_a_report_leaves_nothing_behind(
    change_report: CommandLine, deployed: Shop, tmp_path: Path
) -> None:
    change_report.report(replace(deployed, word="bye").synthesize(tmp_path / "out"))
    new = _new()
    assert change_report.report(new.synthesize(tmp_path / "new"))["first_deployment"]
    cloudformation = change_report.environment.client("cloudformation")
    left = cloudformation.list_change_sets(StackName=deployed.name)["Summaries"]
    # That one was executed, by the CDK.
    assert {one["ChangeSetName"] for one in left} <= {"cdk-deploy-change-set"}
    with pytest.raises(cloudformation.exceptions.ClientError, match="does not exist"):
        cloudformation.describe_stacks(StackName=new.name)


def test_a_replacement_that_is_named_goes_on(change_report: CommandLine, tmp_path: Path) -> None:
    shop = _new()
    first = change_report("deploy", "--yes", "--assembly", shop.synthesize(tmp_path / "first"))
    assert first.code == 0, first.output + first.errors
    assert "is not deployed yet" in first.output

    renamed = replace(shop, table=f"all-{shop.table}").synthesize(tmp_path / "renamed")
    named = ["--yes", "--allow-replacement", "Orders"]
    done = change_report("deploy", *named, "--assembly", renamed)
    assert done.code == 0, done.output + done.errors
    tables = change_report.environment.client("dynamodb").list_tables()["TableNames"]
    assert f"all-{shop.table}" in tables
    assert shop.table not in tables
    assert change_report.report(renamed)["changes"] == []


def test_an_interruption_leaves_no_file_and_no_process(
    environment: Environment, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "ops", "plan"],
        cwd=PROJECT,
        env={**os.environ, **aws.environment(environment.endpoint), "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    # The app's own temporary files: it is being synthesized.
    wait_for(lambda: list(tmp_path.glob("*/jsii-*")) or process.poll() is not None)
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert "Interrupted" in told
    assert list(tmp_path.iterdir()) == []
    _, left = psutil.wait_procs(started, timeout=5)
    assert not left
