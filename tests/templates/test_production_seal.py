"""The seal stands after everything else, and the templates leave protection to it."""

from __future__ import annotations

import json
from typing import Any

from assurance.compliance.templates import denies
from tests.synthesis import LAYERS, Synthesized
from tests.templates.test_wiring import stacks_named_in

SEAL = "payments-production-seal"


def seal(synthesized: Synthesized) -> dict[str, Any]:
    ((layer, _, resource),) = synthesized.resources("Custom::ProductionSeal")
    assert layer == "root"
    return resource


def test_the_seal_waits_for_all_layers(synthesized: Synthesized) -> None:
    resource = seal(synthesized)
    awaited = stacks_named_in(resource["Properties"]) | set(resource["DependsOn"])
    assert awaited == {f"{layer.capitalize()}NestedStack" for layer in LAYERS}


def test_nothing_waits_for_the_seal(synthesized: Synthesized) -> None:
    for name, resource in synthesized.root["Resources"].items():
        assert "ProductionSeal" not in resource.get("DependsOn", []), name
        assert "ProductionSeal" not in stacks_named_in(resource["Properties"]), name


def test_the_seal_is_about_the_database_and_the_table(synthesized: Synthesized) -> None:
    handed_on = synthesized.data["Outputs"]
    named = {
        name: synthesized.data["Resources"][
            handed_on[value["Fn::GetAtt"][1].removeprefix("Outputs.")]["Value"]["Ref"]
        ]["Type"]
        for name, value in seal(synthesized)["Properties"].items()
        if name in ("DatabaseIdentifier", "TableName")
    }
    assert named == {
        "DatabaseIdentifier": "AWS::RDS::DBInstance",
        "TableName": "AWS::DynamoDB::Table",
    }


def test_a_database_that_was_restored_under_its_name_is_migrated_and_sealed(
    synthesized: Synthesized,
) -> None:
    """CloudFormation asks a custom resource again only when its properties change."""
    ((_, _, schema),) = synthesized.resources("Custom::LedgerSchema")
    output = seal(synthesized)["Properties"]["DatabaseResourceId"]["Fn::GetAtt"][1]
    for value in (
        schema["Properties"]["DatabaseResourceId"],
        synthesized.data["Outputs"][output.removeprefix("Outputs.")]["Value"],
    ):
        instance, attribute = value["Fn::GetAtt"]
        assert synthesized.data["Resources"][instance]["Type"] == "AWS::RDS::DBInstance"
        assert attribute == "DbiResourceId"


def test_cloudformation_waits_longer_than_the_function_runs(synthesized: Synthesized) -> None:
    function = synthesized.only("AWS::Lambda::Function", FunctionName=SEAL)
    assert function["Timeout"] + 30 <= int(seal(synthesized)["Properties"]["ServiceTimeout"])


def test_no_template_speaks_of_protection_against_deletion(synthesized: Synthesized) -> None:
    """Neither "protected", which no first deployment could roll back, nor "not protected": a
    later change of the instance's other properties would carry it along, and break the seal."""
    for layer, template in synthesized.templates().items():
        assert "DeletionProtection" not in json.dumps(template), layer


def test_the_seal_alone_may_change_the_table(synthesized: Synthesized) -> None:
    free = set()
    for function in synthesized.properties("AWS::Lambda::Function"):
        role = {"Ref": function["Role"]["Fn::GetAtt"][0]}
        (policy,) = (
            policy["PolicyDocument"]
            for policy in synthesized.properties("AWS::IAM::ManagedPolicy")
            if policy.get("Roles") == [role]
        )
        if not denies(policy, "dynamodb:UpdateTable"):
            free.add(function["FunctionName"])
    assert free == {SEAL}
