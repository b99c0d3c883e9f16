"""The layers stand on each other in one direction, and every template is fit to deploy."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, CfnResource, Stack
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from nested.data.transactions_table import TransactionsTable
from tests.synthesis import LAYERS, Synthesized, project_context


def stacks_named_in(value: Any) -> set[str]:
    """The nested stacks that a piece of the root template reads or waits for."""
    if isinstance(value, dict):
        if "Fn::GetAtt" in value:
            return {value["Fn::GetAtt"][0]}
        if "Ref" in value:
            return {value["Ref"]}
        return set().union(*(stacks_named_in(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(stacks_named_in(item) for item in value))
    return set()


def test_no_layer_needs_a_later_one(synthesized: Synthesized) -> None:
    order = [f"{layer.capitalize()}NestedStack" for layer in LAYERS]
    for number, layer in enumerate(order):
        nested = synthesized.root["Resources"][layer]
        needed = stacks_named_in(nested["Properties"]) | set(nested.get("DependsOn", []))
        assert needed & set(order) <= set(order[:number]), layer


def test_each_layer_waits_for_the_one_before(synthesized: Synthesized) -> None:
    order = [f"{layer.capitalize()}NestedStack" for layer in LAYERS]
    for before, after in itertools.pairwise(order):
        parameters = synthesized.root["Resources"][after]["Properties"]["Parameters"]
        assert before in stacks_named_in(parameters), after


def test_cfn_lint_reports_nothing(synthesized: Synthesized) -> None:
    files = synthesized.files()
    assert len(files) == 5
    # Beside the Python that runs the tests.
    linter = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run(
        [linter, "--regions", "us-east-1", "--", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_cdks_own_validation_reports_nothing(next_release: Synthesized, tmp_path: Path) -> None:
    """app.py leaves it out."""
    report = json.loads((next_release.folder / "validation-report.json").read_text())
    assert report["pluginReports"] == []
    app = App(outdir=str(tmp_path), context=project_context())
    CfnResource(Stack(app, "Stack"), "Queue", type="AWS::SQS::Queue", properties={"Wrong": 1})
    with pytest.raises(RuntimeError, match="CloudFormation-Validate::F3002"):
        app.synth()


def test_templates_stay_far_below_cloudformations_limits(synthesized: Synthesized) -> None:
    # 500 resources, 200 parameters, 200 outputs, 1 MB (CloudFormation quotas)
    for layer, template in synthesized.templates().items():
        assert len(template["Resources"]) < 250, layer
        assert len(template.get("Parameters", {})) < 100, layer
        assert len(template.get("Outputs", {})) < 100, layer
        assert len(json.dumps(template)) < 500_000, layer


def test_no_template_names_an_account_or_holds_a_secret(synthesized: Synthesized) -> None:
    instance = synthesized.only("AWS::RDS::DBInstance")
    assert instance["ManageMasterUserPassword"] is True
    assert "MasterUserPassword" not in instance
    assert "Value" not in synthesized.only("AWS::ApiGateway::ApiKey")


def test_the_day_of_a_restore_changes_the_tables_tags_alone() -> None:
    """CloudFormation asks for the stream's name when it changes something of the table."""

    def table(restored: str) -> dict[str, Any]:
        stack = Stack(App(builtin_cloud_formation_validation=False))
        TransactionsTable(stack, "Table", key=kms.Key(stack, "Key"), restored=restored)
        found = Template.from_stack(stack).find_resources("AWS::DynamoDB::Table")
        return dict(next(iter(found.values()))["Properties"])

    restored = table("2026-01-31")
    assert restored.pop("Tags") == [{"Key": "Restored", "Value": "2026-01-31"}]
    assert restored == table("")


def test_the_stream_of_a_restored_table_may_be_read_before_it_is_mapped(
    synthesized: Synthesized,
) -> None:
    (resource,) = (
        statement["Resource"]
        for policy in synthesized.properties("AWS::IAM::ManagedPolicy")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement.get("Sid") == "ReadTheTablesStream"
    )
    assert resource["Fn::Join"][1][-1] == "/stream/*"


def test_a_change_is_audited_within_a_minute_and_not_alone(synthesized: Synthesized) -> None:
    (mapping,) = (
        properties
        for properties in synthesized.properties("AWS::Lambda::EventSourceMapping")
        if "StartingPosition" in properties
    )
    # At a payment a second, each of four shards sees a change every other second.
    assert 15 <= mapping["MaximumBatchingWindowInSeconds"] / 2 <= mapping["BatchSize"]
    assert mapping["MaximumBatchingWindowInSeconds"] <= 45
