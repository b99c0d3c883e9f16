"""What `migration` tells of names and values, without servers."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from ops.inspection.findings import REQUIREMENTS, WITH_RIGHTS, judged
from ops.inspection.subjects import Subjects
from ops.migration import functions, judgement, secrets, switching_off
from ops.migration.reach import _named_in
from ops.migration.todo import Group, Importance, Todo, as_document, as_markdown, ordered
from tests.ops.stubbed_aws import Aws, as_clients

ACCOUNT = "123456789012"


@pytest.mark.parametrize(
    "variables",
    [
        {"DB_PASSWORD": "x"},
        {"PGPASSWORD": "12345678"},
        {"dbPassword": "hunter2"},
        {"STRIPE_KEY": "abc"},
        {"API_KEY": "abc"},
        {"JWT_SECRET": "abc"},
        {"SLACK_TOKEN": "abc"},
        {"DB_PASS": "abc"},
        {"DATABASE_URL": "postgres://app:p@ss/word@db/payments"},
        {"CONNECTION": "host=db user=app password=abc"},
        {"AWS": "AKIA" + "QYLPMN5HFIQR7XYA"},
        {"CONFIG": "line\n-----BEGIN RSA " + "PRIVATE KEY-----"},
    ],
)
def test_secrets_are_told_by_name_or_form(variables: Mapping[str, str]) -> None:
    assert [*secrets.of_variables(variables)] == [*variables]


@pytest.mark.parametrize(
    "variables",
    [
        {"DB_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:1:secret:db"},
        {"DB_PASSWORD": "arn:aws:secretsmanager:us-east-1:1:secret:db"},
        {"DB_PASSWORD": "{{resolve:secretsmanager:db}}"},
        {"TOKEN_TTL": "3600"},
        {"TOKEN_URL": "https://login.example/token"},
        {"PARTITION_KEY": "transaction_id"},
        {"KMS_KEY": "alias/payments"},
        {"API_KEY_REQUIRED_HEADER": "x-api-key"},
        {"DB_PASSWORD": ""},
        {"COMPASS": "north"},
    ],
)
def test_what_only_tells_of_a_secret_is_none(variables: Mapping[str, str]) -> None:
    assert [*secrets.of_variables(variables)] == []


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (f"arn:aws:sns:us-east-1:{ACCOUNT}:shared", ["sns shared"]),
        ("arn:aws:sns:us-east-1:999999999999:shared", ["sns shared of account 999999999999"]),
        (f"arn:aws:sns:us-east-1:{ACCOUNT}:dev-alerts", []),
        (f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/dev-orders/stream/1", []),
        (f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:mailer:live", ["lambda mailer"]),
        (f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/dev-app/x", []),
        ("arn:aws:s3:::exports/*", ["s3 exports"]),
        ("arn:aws:s3:::*", []),
        (f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/other", ["queue other"]),
        (f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/dev-retry", []),
        ("legacy.abc.us-east-1.rds.amazonaws.com", ["database legacy"]),
        ("https://hooks.slack.example/services/T0/B0", ["host hooks.slack.example"]),
        ("https://dynamodb.us-east-1.amazonaws.com", []),
        ("just a text", []),
    ],
)
def test_what_a_value_names_outside(value: str, found: list[str]) -> None:
    assert [*_named_in(value, ACCOUNT, lambda name: name.startswith("dev-"))] == found


def test_runtimes_end_on_their_day() -> None:
    assert str(functions.ended("python3.8")) == "2024-10-14"
    assert functions.ended("python3.14") is None
    assert functions.ended("") is None


def test_every_requirement_has_its_place_and_its_resource() -> None:
    assert sorted(judgement._ORDER) == sorted(REQUIREMENTS) == sorted(judgement.PRODUCTION)


def test_what_may_not_be_read_is_not_told_as_solved() -> None:
    finding = judged(
        "R4", "database", found="denied", needed="an answer", held=False,
        mend=f"{WITH_RIGHTS}, verify again",
    )  # fmt: skip
    (todo,) = judgement.of_findings([finding], Subjects())
    assert (todo.group, todo.found) == (Group.UNANSWERED, "denied")


@pytest.mark.parametrize("guarded", [True, False])
def test_what_aws_would_not_delete_is_let_go_first(guarded: bool) -> None:
    aws = Aws()
    stages = [{"apiId": "a1", "stage": "dev"}, {"apiId": "other", "stage": "dev"}]
    plan = {"id": "p1", "apiStages": stages if guarded else stages[1:]}
    aws.answers("apigateway", "get_usage_plans", {"items": [plan]})
    aws.answers("rds", "describe_db_instances", {"DBInstances": [{"DeletionProtection": guarded}]})
    aws.answers("dynamodb", "describe_table", {"Table": {"DeletionProtectionEnabled": guarded}})
    *_, last = switching_off.todos(
        as_clients(aws), Subjects(api="a1", database="dev-ledger", table="dev-transactions")
    )
    commands = [each.split()[2] for each in last.command.splitlines()]
    first = (["update-usage-plan"], ["modify-db-instance"], ["update-table"])
    plans, database, table = first if guarded else ([], [], [])
    assert commands == [
        *plans, "delete-rest-api", *database, "delete-db-instance", *table, "delete-table",
    ]  # fmt: skip
    assert ("value=a1:dev" in last.command) == guarded


def test_foreign_text_is_no_markdown() -> None:
    todo = Todo(
        group=Group.DECIDE, importance=Importance.LOW, what="a\n# b <i>", found="[x](y) `z` \x1b[2J"
    )
    page = as_markdown("*t*", [], [todo])
    assert "- [ ] **a \\# b \\<i\\>**: \\[x\\](y) \\`z\\` \\\\x1b\\[2J" in page
    assert page.startswith("# \\*t\\*\n")


def test_the_list_is_ordered_and_tells_each_thing_once() -> None:
    def todo(group: Group, importance: Importance, what: str = "") -> Todo:
        return Todo(group=group, importance=importance, what=what, found="")

    low, high = todo(Group.REMAINS, Importance.LOW), todo(Group.REMAINS, Importance.HIGH)
    solved, decide = todo(Group.SOLVED, Importance.LOW), todo(Group.DECIDE, Importance.CRITICAL)
    assert ordered([low, decide, high, solved, low]) == [high, low, decide, solved]
    assert as_document([solved])["held"] is True
    assert json.loads(json.dumps(as_document([low])))["held"] is False
