"""`python -m ops migration` against an environment that was made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.command_line import Answer, operators_tool
from tests.environment import Environment, serving
from tests.probe import LAMBDA, allow, document
from tests.synthesis import Synthesized

PASSWORD = "correct-horse-battery-staple"
IN_AN_ADDRESS = "postgres://app:tr0ub4dor@db.example.com/payments"
ACCOUNT = "123456789012"
PRODUCTIONS = "999999999999"


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """An account with half a year of work by hand in it."""
    with serving(tmp_path_factory.mktemp("by-hand")) as environment:
        _seed(environment)
        yield environment


def _seed(environment: Environment) -> None:
    client = environment.client
    iam, functions = client("iam"), client("lambda")
    trust = LAMBDA
    role = iam.create_role(RoleName="dev-role", AssumeRolePolicyDocument=document(trust))
    rights = allow(
        "dynamodb:*",
        [
            f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/dev-transactions",
            f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/shared-customers/index/*",
            "*",
        ],
    )
    iam.put_role_policy(RoleName="dev-role", PolicyName="all", PolicyDocument=document(rights))
    for name, runtime, variables in (
        ("dev-validator", "python3.12", {"TABLE": "dev-transactions", "STAGE": "dev"}),
        (
            "dev-processor",
            "python3.8",
            {"DB_PASSWORD": PASSWORD, "DATABASE_URL": IN_AN_ADDRESS, "PSP": "https://psp.example"},
        ),
        ("dev-audit-logger", "python3.12", {"BUCKET": "companys-exports"}),
        ("dev-refunds", "nodejs16.x", {"SORT_KEY": "timestamp"}),
    ):
        functions.create_function(
            FunctionName=name, Runtime=runtime, Role=role["Role"]["Arn"], Handler="index.handle",
            Code={"ZipFile": b"PK\x05\x06" + bytes(18)}, Environment={"Variables": variables},
        )  # fmt: skip
    subnets = client("ec2").describe_subnets()["Subnets"]
    client("rds").create_db_subnet_group(
        DBSubnetGroupName="dev-subnets", DBSubnetGroupDescription="all",
        SubnetIds=[each["SubnetId"] for each in subnets],
    )  # fmt: skip
    client("rds").create_db_instance(
        DBSubnetGroupName="dev-subnets",
        DBInstanceIdentifier="dev-ledger", Engine="postgres", DBInstanceClass="db.t3.micro",
        AllocatedStorage=20, MasterUsername="admin1", MasterUserPassword=PASSWORD,
        PubliclyAccessible=True,
    )  # fmt: skip
    dynamodb = client("dynamodb")
    for name in ("dev-transactions", "payment-transactions"):
        dynamodb.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
    for name in ("dev-audit-logs", "companys-exports"):
        client("s3").create_bucket(Bucket=name)
    client("sqs").create_queue(QueueName="dev-retry")
    client("sns").create_topic(Name="dev-alerts")
    client("logs").create_log_group(logGroupName="/aws/lambda/dev-processor")
    gateway = client("apigateway")
    api = gateway.create_rest_api(name="dev-api")["id"]
    (root,) = gateway.get_resources(restApiId=api)["items"]
    for path in ("validate", "refund"):
        resource = gateway.create_resource(restApiId=api, parentId=root["id"], pathPart=path)["id"]
        gateway.put_method(
            restApiId=api, resourceId=resource, httpMethod="POST", authorizationType="NONE",
            apiKeyRequired=False,
        )  # fmt: skip
        gateway.put_integration(
            restApiId=api, resourceId=resource, httpMethod="POST", type="AWS_PROXY",
            integrationHttpMethod="POST",
            uri="arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:"
            f"us-east-1:{ACCOUNT}:function:dev-validator/invocations",
        )  # fmt: skip
    gateway.create_deployment(restApiId=api, stageName="dev")


def migration(environment: Environment, *arguments: str, **variables: str) -> Answer:
    return operators_tool(environment, "migration", *arguments, **variables)


@pytest.fixture(scope="module")
def answer(old: Environment, synthesized: Synthesized) -> Answer:
    return migration(old, "--assembly", str(synthesized.folder), "--prefix", "dev-", "--json")


@pytest.fixture(scope="module")
def listed(answer: Answer) -> dict[str, Any]:
    return answer.document


def named(listed: dict[str, Any], group: str) -> dict[str, dict[str, str]]:
    return {each["what"]: each for each in listed[group]}


def test_what_was_read_and_that_work_is_left(answer: Answer) -> None:
    assert (answer.code, answer.errors) == (1, "")
    about = {name: answer.document[name] for name in ("account", "region", "prefix", "held")}
    assert about == {"account": ACCOUNT, "region": "us-east-1", "prefix": "dev-", "held": False}
    assert answer.document["unanswered"] == []


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ("dev-ledger can be reached from the internet", "yes"),
        ("Multi-AZ of dev-ledger", "no"),
        ("methods without an API key", "POST /refund, POST /validate"),
        ("partition key of dev-transactions", "id (S)"),
        ("messages of the retry queue are kept", "4 days"),
        ("dev-audit-logs: versioning", "never switched on"),
        (
            "tags of dev-transactions (AWS::DynamoDB::Table)",
            "without CostCenter, Environment, Team",
        ),
        ("dashboard", "none that begins with dev-"),
        ("log group /aws/lambda/dev-processor", "kept for ever"),
    ],
)
def test_the_deployment_solves_it(listed: dict[str, Any], what: str, found: str) -> None:
    solved = named(listed, "solved")[what]
    assert solved["found"] == found
    assert solved["mend"].startswith("production")


def test_a_runtime_that_aws_no_longer_supports_is_told_with_the_day(listed: dict[str, Any]) -> None:
    solved = named(listed, "solved")
    what = "runtime of dev-processor, which AWS no longer supports"
    assert solved[what]["found"] == "python3.8, since 2024-10-14"
    assert not any(each.startswith("runtime of dev-validator, which") for each in solved)


def test_what_is_open_to_anybody_is_closed_now_with_a_command(listed: dict[str, Any]) -> None:
    remains = named(listed, "remains")
    database = remains["dev-ledger can be reached from the internet"]
    assert database["importance"] == "critical"
    assert "--no-publicly-accessible" in database["command"]
    keys = remains["methods without an API key"]["command"]
    assert keys.count("aws apigateway update-method --rest-api-id") == 2
    assert keys.count("aws apigateway create-deployment") == 1
    assert "API_ID" not in keys


def test_secrets_are_named_and_never_shown(old: Environment, answer: Answer) -> None:
    what = "secrets in plain environment variables of dev-processor"
    told = named(answer.document, "remains")[what]
    assert (told["found"], told["importance"]) == ("DB_PASSWORD, DATABASE_URL", "critical")
    page = migration(old, "--prefix=dev-", f"--production-account={PRODUCTIONS}")
    for output in (answer.output, page.output, answer.errors, page.errors):
        assert PASSWORD not in output
        assert "tr0ub4dor" not in output
        assert "db.example.com" not in output  # a password may look like a host
    others = [each for each in named(answer.document, "remains") if each.startswith("secrets in")]
    assert others == [what]


@pytest.mark.parametrize(
    ("what", "by"),
    [
        ("bucket companys-exports", "dev-audit-logger (variable BUCKET)"),
        ("dynamodb shared-customers", "dev-processor (its role)"),
        ("host psp.example", "dev-processor (variable PSP)"),
    ],
)
def test_what_functions_reach_outside_is_to_decide(
    listed: dict[str, Any], what: str, by: str
) -> None:
    reached = named(listed, "decide")[f"{what} is reached, and is not of this environment"]
    assert by in reached["found"]


def test_what_is_inside_is_not_told_as_outside(listed: dict[str, Any]) -> None:
    reached = [each for each in named(listed, "decide") if "is reached" in each]
    assert len(reached) == 3


def test_what_production_has_no_like_of_is_to_decide(listed: dict[str, Any]) -> None:
    decide = named(listed, "decide")
    refunds = decide["function dev-refunds, of which production has no like"]["found"]
    assert refunds == "nodejs16.x, which AWS no longer supports since 2024-06-12"
    assert decide["paths of the API that production has not"]["found"] == "/refund"
    assert not any("dev-refunds" in each for each in named(listed, "solved"))


def test_data_is_kept_messages_and_clients_are_moved(listed: dict[str, Any]) -> None:
    remains, decide = named(listed, "remains"), named(listed, "decide")
    assert (
        "MessageRetentionPeriod=1209600"
        in (remains["messages of the retry queue are kept"]["command"])
    )
    assert "create-db-snapshot" in remains["last snapshot of dev-ledger"]["command"]
    assert "messages in dev-retry at the cut-over" in remains
    assert "clients get production's address and an API key of production" in remains
    assert (
        "scan --table-name dev-transactions"
        in (decide["items of dev-transactions: is an export kept?"]["command"])
    )
    assert "opening balances of merchants in dev-ledger" in decide
    assert listed["remains"][-1]["what"].startswith("switching off the old environment")


def test_names_that_production_needs_are_told_in_its_account_only(
    old: Environment, listed: dict[str, Any]
) -> None:
    what = "name of the table payment-transactions"
    taken = named(listed, "remains")[what]
    assert taken["found"] == "taken by something else in this account"
    assert taken["command"].endswith("delete-table --table-name payment-transactions")
    assert listed["decide"][0]["what"] == "production's account"
    elsewhere = migration(
        old, "--prefix=dev-", "--json", f"--production-account={PRODUCTIONS}"
    ).document
    assert what not in named(elsewhere, "remains")
    assert "production's account" not in named(elsewhere, "decide")


def test_each_list_begins_with_the_most_important(listed: dict[str, Any]) -> None:
    order = ["critical", "high", "medium", "low"]
    for group in ("solved", "remains", "decide"):
        found = [order.index(each["importance"]) for each in listed[group]]
        assert found == sorted(found)
        assert found


def test_people_get_it_in_markdown(old: Environment) -> None:
    answer = migration(old, "--prefix=dev-", f"--production-account={PRODUCTIONS}")
    assert answer.code == 1
    lines = answer.output.splitlines()
    assert lines[0] == "# From prefix dev- to PaymentsProd"
    titles = [line.rpartition(" (")[0] for line in lines if line.startswith("## ")]
    assert titles == [
        "## Remains for you",
        "## To decide",
        "## Solved by deploying PaymentsProd",
    ]
    place = lines.index(
        "- [ ] **dev-ledger can be reached from the internet** (R4): yes; needed: no"
    )
    assert lines[place + 3] == "  ```sh"
    assert lines[place + 4].startswith("  aws rds modify-db-instance")


# -- names, profile and region -------------------------------------------------------------------


@pytest.mark.parametrize("command", ["migration", "verify"])
def test_a_misspelled_name_is_told_with_the_closest(old: Environment, command: str) -> None:
    for given, told in (
        ("--names=table=dev-transcations", "table=dev-transcations: none of that name in account"),
        ("--prefix=dve-", "--prefix dve-: no name in account"),
        ("--names=tabel=dev-transactions", "write KIND=NAME"),
    ):
        answer = operators_tool(old, command, given)
        answer.refuses(told)
        closest = {"--prefix=dve-": "dev-", "--names=tabel=dev-transactions": "table"}
        assert f"did you mean {closest.get(given, 'dev-transactions')}" in answer.errors


def test_a_misspelled_region_is_told_with_the_closest(old: Environment) -> None:
    answer = migration(old, "--prefix=dev-", "--region=us-esat-1")
    answer.refuses("no region us-esat-1: did you mean ", "us-east-1")


def test_names_alone_are_an_environment_too(old: Environment) -> None:
    answer = migration(
        old, "--names=function-processor=dev-processor,table=dev-transactions", "--json",
        f"--production-account={PRODUCTIONS}",
    )  # fmt: skip
    remains = named(answer.document, "remains")
    assert "secrets in plain environment variables of dev-processor" in remains
    assert "last snapshot of dev-ledger" not in remains


def test_it_has_its_own_profile_and_region(old: Environment, tmp_path: Any) -> None:
    """Of another region, in which nothing of it stands."""
    config = tmp_path / "config"
    config.write_text(
        "[profile old]\nregion = eu-west-1\naws_access_key_id = test\n"
        "aws_secret_access_key = test\n",
        encoding="utf-8",
    )
    variables = {"AWS_CONFIG_FILE": str(config), "AWS_ACCESS_KEY_ID": ""}
    answer = migration(old, "--prefix=nothing-", "--profile=old", **variables)
    answer.refuses("eu-west-1")
    answer = migration(
        old, "--prefix=dev-", "--profile=old", "--region=us-east-1",
        f"--production-account={PRODUCTIONS}", **variables,
    )  # fmt: skip
    assert "`export AWS_REGION=us-east-1 AWS_PROFILE=old`" in answer.output
    missing = migration(old, "--prefix=dev-", "--profile=odl", **variables)
    missing.refuses("The config profile (odl) could not be found")


def test_without_a_prefix_or_names_it_asks_for_them(old: Environment) -> None:
    answer = migration(old)
    answer.refuses("--prefix or --names")
