"""Configuration mistakes stop the synthesis, all of them named at once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assurance import settings as settings_page
from config import (
    DATABASE_MAX_CONNECTIONS,
    LEDGER_READER_CONCURRENCY,
    ConfigurationError,
    ProductionConfig,
    reason,
)
from tests.synthesis import ROOT, project_context

_STAGING = {"environment": "staging"}


def test_defaults_are_the_required_values() -> None:
    config = ProductionConfig.from_context({})
    assert config == ProductionConfig()
    assert config.region == "us-east-1"
    assert config.database_instance_type == "t3.medium"
    assert config.backup_retention_days == 30
    assert config.alert_email == "ops@company.com"


def test_defaults_are_allowed() -> None:
    defaults = ProductionConfig().model_dump()
    assert ProductionConfig.from_context(defaults) == ProductionConfig()


def test_staging_is_smaller_and_told_from_production_by_name_tags_and_address() -> None:
    production, staging = ProductionConfig(), ProductionConfig.from_context(_STAGING)
    assert (production.stack_name, staging.stack_name) == ("PaymentsProd", "PaymentsStaging")
    assert staging == ProductionConfig.from_context(project_context(**_STAGING))
    for name, value in staging:
        match getattr(production, name):
            case int() as least:
                assert value <= least, name
    for name in ("environment_tag", "cost_center_tag", "alert_email", "vpc_cidr"):
        assert getattr(staging, name) != getattr(production, name), name


def test_what_context_says_of_one_environment_holds_for_it_alone() -> None:
    context = {"staging": {"api_rate_limit": 7, "team_tag": "a"}, "production": {"team_tag": "b"}}
    production = ProductionConfig.from_context(context)
    staging = ProductionConfig.from_context(context | _STAGING)
    assert (production.api_rate_limit, production.team_tag) == (100, "b")
    assert (staging.api_rate_limit, staging.team_tag) == (7, "a")
    given = ProductionConfig.from_context(context | _STAGING | {"api_rate_limit": "9"})
    assert given.api_rate_limit == 9


@pytest.mark.parametrize(
    ("context", "told"),
    [
        ({"environment": "test"}, "environment is 'test'; allowed is production or staging."),
        ({"staging": "small"}, "staging is 'small'; allowed is an object of its settings."),
        ({"production": {"environment": "staging"}}, "allowed is an object of its settings."),
        ({"staging": {"alert_mail": "a@b.c"}}, "In staging, alert_mail is not a setting; did"),
        (_STAGING | {"environment_tag": "production"}, "allowed is another, as this is staging."),
        ({"environment_tag": "staging"}, "allowed is another, as this is production."),
        (_STAGING | {"backup_retention_days": 0}, "days from 30 to 35, in staging from 1."),
    ],
)
def test_environments_cannot_be_mixed_up(context: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        ProductionConfig.from_context(context)
    assert told in str(refusal.value)


def test_each_setting_has_its_reason() -> None:
    for name in ProductionConfig.model_fields:
        assert reason(name).endswith("."), name


def test_each_setting_decides_something() -> None:
    folders = ("app.py", "root_stack.py", "nested", "foundation", "building_blocks")
    files = [ROOT / name for name in folders]
    code = "".join(
        source.read_text(encoding="utf-8")
        for file in files
        for source in ([file] if file.is_file() else file.rglob("*.py"))
    )
    of_its_own = (ROOT / "config.py").read_text(encoding="utf-8")
    for name in ProductionConfig.model_fields:
        assert re.search(rf"config\.{name}\b", code) or f"self.{name}" in of_its_own, name


def test_the_published_list_of_settings_is_in_step() -> None:
    assert settings_page.PAGE.read_text(encoding="utf-8") == settings_page.text(), "run `make docs`"


def test_projects_own_context_is_valid() -> None:
    assert ProductionConfig.from_context(project_context()) == ProductionConfig()


def test_strings_of_the_command_line_become_typed_values() -> None:
    config = ProductionConfig.from_context(
        {
            "processor_concurrency": "150",
            "availability_zones": "us-east-1d, us-east-1e,us-east-1f",
            "alert_email": "payments-oncall@company.com",
        }
    )
    assert config.processor_concurrency == 150
    assert config.availability_zones == ("us-east-1d", "us-east-1e", "us-east-1f")
    assert config.alert_email == "payments-oncall@company.com"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("region", "eu-west-1"),
        ("availability_zones", "us-east-1a,us-east-1b"),
        ("availability_zones", "us-east-1a,us-east-1a,us-east-1b"),
        ("availability_zones", ["us-east-1a", "us-east-1b", "us-west-2a"]),
        ("vpc_cidr", "10.20.0.0/24"),
        ("vpc_cidr", "8.8.0.0/16"),
        ("vpc_cidr", "169.254.0.0/16"),
        ("vpc_cidr", "ten"),
        ("vpc_cidr", "10.20.0.0/255.255.0.0"),  # EC2 wants the bits
        ("database_restored_at", "yesterday"),
        ("alert_email", "ops"),
        ("alert_email", ""),
        ("cost_center_tag", "what?"),
        ("processor_concurrency", "many"),
        ("processor_concurrency", True),
        ("processor_concurrency", 12.5),
        ("backup_retention_days", 29),
        ("retry_concurrency", 1),
        ("audit_retention_days", "0"),
        ("api_domain_name", "Pay.company.com"),
        ("api_domain_name", "*.company.com"),
        ("api_domain_name", "https://pay.company.com/"),
        ("api_domain_name", "pay"),
        ("certificate_arn", "arn:aws:acm:eu-west-1:123456789012:certificate/1a-2b"),
        ("certificate_arn", "pay.company.com"),
        ("audit_batching_seconds", "46"),
        ("table_restored", "yesterday"),
        ("table_restored", "2026-01-31T09:00"),
    ],
)
def test_bad_value_is_refused_by_key_value_and_what_is_allowed(key: str, value: Any) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        ProductionConfig.from_context({key: value})
    message = str(refusal.value)
    assert f"{key} is {value!r}; allowed is " in message


_CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/" + "1234-" * 7 + "a"


@pytest.mark.parametrize(
    "given", [{"api_domain_name": "a.b.com"}, {"certificate_arn": _CERTIFICATE}]
)
def test_an_address_and_its_certificate_come_together(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="allowed is both or neither"):
        ProductionConfig.from_context(given)
    both = {"api_domain_name": "a.b.com", "certificate_arn": _CERTIFICATE}
    assert ProductionConfig.from_context(both).api_domain_name == "a.b.com"


def test_all_mistakes_come_in_one_message() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        ProductionConfig.from_context(
            {"alert_email": "ops", "backup_retention_days": 7, "retry_concurrency": 100}
        )
    message = str(refusal.value)
    assert "alert_email" in message
    assert "backup_retention_days" in message
    assert "retry_concurrency is 100; allowed is less than processor_concurrency" in message


def test_firewall_blocks_no_client_for_what_its_key_may_send() -> None:
    with pytest.raises(ConfigurationError, match="at least 300 \\* api_rate_limit"):
        ProductionConfig.from_context({"api_rate_limit": 150, "api_burst_limit": 300})


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("alert_mail", "alert_email"),
        ("Alert_Email", "alert_email"),
        ("alert_email ", "alert_email"),
        ("alert:email", "alert_email"),
        ("alert/email", "alert_email"),
        ("aws_cdk:alert_email", "alert_email"),
        ("retry-concurrency", "retry_concurrency"),
        ("retryConcurrency", "retry_concurrency"),
        ("RETRY.CONCURRENCY", "retry_concurrency"),
        ("waf_requests_per_5_minute", "waf_requests_per_5_minutes"),
        ("foo", r"\w+"),
        ("tags", r"\w+"),
        ("", r"\w+"),
    ],
)
def test_unknown_key_is_refused_with_the_closest_setting(key: str, meant: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        ProductionConfig.from_context({key: "5"})
    told = rf"  - {re.escape(key)} is not a setting; did you mean {meant}\?"
    assert re.search(told, str(refusal.value))


def test_unknown_keys_come_in_the_same_message() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        ProductionConfig.from_context(
            {"foo": 1, "backup_retention_days": 7, "retry-concurrency": 5}
        )
    message = str(refusal.value)
    assert "foo is not a setting" in message
    assert "retry-concurrency is not a setting" in message
    assert "backup_retention_days is 7; allowed is" in message


@pytest.mark.parametrize(
    "key",
    [
        "aws:cdk:bundling-stacks",
        "aws-cdk:enableDiffNoFail",
        "@aws-cdk/core:checkSecretUsage",
        "@aws-cdk/core.slowSynthThreshold",
        "@aws-cdk-containers/ecs-service-extensions:enableDefaultLogDriver",
        "availability-zones:account=123456789012:region=us-east-1",
        "assets-ecr-repository-name",
        "cdk-migrate",
    ],
)
def test_keys_of_cdk_itself_are_left_alone(key: str) -> None:
    ProductionConfig.from_context({key: True})


def test_what_the_command_line_keeps_in_the_context_is_left_alone() -> None:
    """What it looked up stands in cdk.context.json, with what it was told of itself."""
    cdk = (ROOT / "node_modules/aws-cdk/lib/index.js").read_text(encoding="utf-8")
    providers = re.findall(r'ContextProvider\d*\["\w+"\] = "([^"]+)"', cdk)
    kept = re.findall(r'context\.[gs]et\("([^"]+)"', cdk)
    assert {"ami", "plugin"} <= set(providers)
    assert {"cli-telemetry", "acknowledged-issue-numbers"} <= set(kept)
    looked_up = {f"{each}:account=123456789012:region=us-east-1": "" for each in providers}
    ProductionConfig.from_context(looked_up | dict.fromkeys(kept))


def test_processors_cannot_hold_more_connections_than_the_database_admits() -> None:
    config = ProductionConfig()
    assert config.processor_concurrency < DATABASE_MAX_CONNECTIONS
    with pytest.raises(ConfigurationError, match="processor_concurrency is 190"):
        ProductionConfig.from_context({"processor_concurrency": 190})


def test_connections_are_left_for_those_who_read_the_ledger() -> None:
    most = DATABASE_MAX_CONNECTIONS - LEDGER_READER_CONCURRENCY - 20
    ProductionConfig.from_context({"processor_concurrency": most})
    with pytest.raises(ConfigurationError, match=f"allowed is at most {most},"):
        ProductionConfig.from_context({"processor_concurrency": most + 1})


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(list(ProductionConfig.model_fields)),
        st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.lists(st.text())),
    )
)
def test_any_context_is_accepted_or_refused_with_a_message(context: dict[str, Any]) -> None:
    try:
        ProductionConfig.from_context(context)
    except ConfigurationError as refusal:
        assert "allowed is" in str(refusal)  # noqa: PT017


def test_app_stops_with_the_message_and_no_stack_trace() -> None:
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={**os.environ, "CDK_CONTEXT_JSON": '{"alert_email": "ops"}'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "alert_email is 'ops'; allowed is one e-mail address." in done.stderr
    assert "Traceback" not in done.stderr
