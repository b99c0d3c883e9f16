"""The API is deployed again when, and only when, something about it has changed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from building_blocks import operations
from building_blocks.operations import OPERATIONS
from config import ProductionConfig
from nested.compute import api
from nested.compute.api import PaymentsApi
from tests.synthesis import Synthesized, project_context


def deployment_id() -> str:
    app = App(context=project_context(), builtin_cloud_formation_validation=False)
    stack = Stack(app, "Stack")
    function = lambda_.Function(
        stack,
        "Function",
        runtime=lambda_.Runtime.PYTHON_3_14,
        handler="index.handle",
        code=lambda_.Code.from_inline("def handle(event, context): ..."),
    )
    live = lambda_.Alias(stack, "Live", alias_name="live", version=function.current_version)
    PaymentsApi(
        stack,
        "Api",
        config=ProductionConfig(),
        log_key=kms.Key(stack, "Key"),
        functions={each.function: live for each in OPERATIONS},
    )
    (logical_id,) = Template.from_stack(stack).find_resources("AWS::ApiGateway::Deployment")
    return str(logical_id)


def test_same_contract_is_the_same_deployment() -> None:
    assert deployment_id() == deployment_id()


def test_an_operation_of_no_function_is_told_with_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stray = replace(OPERATIONS[0], name="refund", function="payment-refunder")
    monkeypatch.setattr(api, "OPERATIONS", [*OPERATIONS, stray])
    with pytest.raises(ValueError, match=r"operations\.json: refund is to be .* payment-refunder"):
        deployment_id()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"request": None}, "the path of status has parameters, and `request` names no schema"),
        (
            {"request": "no_such"},
            r"status names the schema no_such, and there is no .*no_such\.json",
        ),
    ],
)
def test_a_schema_that_is_missing_is_told_with_its_operation(
    said: dict[str, Any], told: str
) -> None:
    (known,) = (
        each for each in json.loads(operations.TABLE.read_text()) if each["name"] == "status"
    )
    with pytest.raises(ValueError, match=rf"^operations\.json: {told}"):
        operations._read({**known, "path": "/status/{of}", **said})


@pytest.mark.parametrize("name", [each.body for each in OPERATIONS if each.body])
def test_changed_schema_is_deployed_to_the_stage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    before = deployment_id()
    schemas = tmp_path / "schemas"
    shutil.copytree(operations.SCHEMAS, schemas)
    monkeypatch.setattr(operations, "SCHEMAS", schemas)
    file = schemas / f"{name}.json"
    schema = json.loads(file.read_text())
    schema["properties"]["one_more"] = {"type": "string"}
    file.write_text(json.dumps(schema))
    assert deployment_id() != before


def test_api_offers_no_weak_tls(synthesized: Synthesized) -> None:
    api = synthesized.only("AWS::ApiGateway::RestApi")
    assert api["SecurityPolicy"] == "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09"
    assert api["EndpointAccessMode"] == "BASIC"  # CloudFormation wants both


def test_web_firewall_guards_the_stage(synthesized: Synthesized) -> None:
    rules = synthesized.only("AWS::WAFv2::WebACL")["Rules"]
    assert [rule["Name"] for rule in rules] == [
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesCommonRuleSet",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "RatePerAddress",
    ]
    # None only counts what the managed rules find.
    assert [rule.get("OverrideAction") for rule in rules] == [{"None": {}}] * 3 + [None]
    assert rules[-1]["Action"] == {"Block": {}}
    # But for one, whose 403 would come before the contract's 413.
    only_counted = {
        rule["Name"]: rule["Statement"]["ManagedRuleGroupStatement"]["RuleActionOverrides"]
        for rule in rules[:3]
        if "RuleActionOverrides" in rule["Statement"]["ManagedRuleGroupStatement"]
    }
    assert only_counted == {
        "AWSManagedRulesCommonRuleSet": [
            {"Name": "SizeRestrictions_BODY", "ActionToUse": {"Count": {}}}
        ]
    }
    ((_, stage, _),) = synthesized.resources("AWS::ApiGateway::Stage")
    association = synthesized.only("AWS::WAFv2::WebACLAssociation")
    assert {"Ref": stage} in association["ResourceArn"]["Fn::Join"][1]


def test_the_firewall_keeps_nothing_that_a_client_can_write(synthesized: Synthesized) -> None:
    acl = synthesized.only("AWS::WAFv2::WebACL")
    protected = acl["DataProtectionConfig"]["DataProtections"]
    # Without keys, all headers and cookies are meant.
    assert {json.dumps(each["Field"]) for each in protected} == {
        json.dumps({"FieldType": kind})
        for kind in ("SINGLE_HEADER", "SINGLE_COOKIE", "QUERY_STRING", "BODY")
    }
    assert {each["Action"] for each in protected} == {"SUBSTITUTION"}
    assert not [each for each in protected if each["ExcludeRuleMatchDetails"]]
    assert not [each for each in protected if each["ExcludeRateBasedDetails"]]
    logging = synthesized.only("AWS::WAFv2::LoggingConfiguration")
    assert logging["RedactedFields"] == [{"UriPath": {}}]
    visible = [acl["VisibilityConfig"], *(rule["VisibilityConfig"] for rule in acl["Rules"])]
    assert not [each for each in visible if each["SampledRequestsEnabled"]]


def test_the_access_log_keeps_nothing_that_a_client_can_write(synthesized: Synthesized) -> None:
    stage = synthesized.only("AWS::ApiGateway::Stage")
    logged = json.loads(stage["AccessLogSetting"]["Format"])
    # `path`, `identity.userAgent` and the like are what a client wrote.
    assert {value.removeprefix("$context.") for value in logged.values()} == {
        "requestId",
        "requestTime",
        "identity.apiKeyId",
        "identity.sourceIp",
        "httpMethod",
        "resourcePath",
        "status",
        "responseLatency",
        "integrationLatency",
        "integration.status",
        "error.responseType",
        "wafResponseCode",
        "tlsVersion",
        "cipherSuite",
    }
    assert not [each for each in stage["MethodSettings"] if each["DataTraceEnabled"]]


def test_the_stage_serves_only_when_its_functions_may_be_called(synthesized: Synthesized) -> None:
    """A permission that names the stage by a reference is made after it."""
    resources = synthesized.compute["Resources"]
    ((_, stage, definition),) = synthesized.resources("AWS::ApiGateway::Stage")
    ((_, rest_api, _),) = synthesized.resources("AWS::ApiGateway::RestApi")
    permissions = {
        name: json.dumps(resource["Properties"]["SourceArn"])
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Lambda::Permission"
        and resource["Properties"]["Principal"] == "apigateway.amazonaws.com"
    }
    assert permissions.keys() <= set(definition["DependsOn"])
    called = []
    for source in permissions.values():
        assert f'"Ref": "{stage}"' not in source
        assert f'"Ref": "{rest_api}"' in source
        called.append(source.rpartition(', "')[2].removesuffix('"]]}'))
    expected = [f"/prod/{each.method}{each.at('*')}" for each in OPERATIONS]
    assert sorted(called) == sorted(expected)
