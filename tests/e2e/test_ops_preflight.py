"""`python -m ops preflight` in an account without PaymentsProd, and in one that has it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local import aws
from local.deployed import Deployment
from tests.command_line import Answer
from tests.deployment import Production, bootstrap
from tests.e2e.operators import Seeded, ops, user
from tests.environment import Environment, serving, wait_for
from tests.probe import LAMBDA, document

Client = Callable[[str], Any]
Seed = Callable[[Client], contextlib.AbstractContextManager[str]]
"""Puts something in the way until the end of the block; yields the check that names it."""


def nothing_in(environment: Environment) -> Production:
    """An environment in which nothing is deployed."""
    nothing = Deployment(
        endpoint=environment.endpoint,
        ca_file=environment.ca_file,
        outputs={},
        api_url="",
        api_key="",
    )
    return Production(environment, nothing)


@dataclass(frozen=True)
class Account:
    """A bootstrapped account without PaymentsProd, and what is to be deployed there."""

    environment: Environment
    assembly: Path

    @property
    def empty(self) -> Production:
        return nothing_in(self.environment)

    def preflight(self, *arguments: str, **variables: str) -> Answer:
        given = ("--json", "--assembly", str(self.assembly), *arguments)
        return ops(self.empty, "preflight", *given, **variables)


@pytest.fixture(scope="module")
def account(production: Production, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with serving(tmp_path_factory.mktemp("account")) as environment:
        bootstrap(environment)
        yield Account(environment, production.assembly)


# -- what may be in the way ----------------------------------------------------------------------


def there(
    what: str,
    service: str,
    make: Callable[[Any], Any],
    remove: Callable[[Any], Any],
) -> Seed:
    @contextlib.contextmanager
    def seed(client: Client) -> Iterator[str]:
        make(client(service))
        try:
            yield what
        finally:
            remove(client(service))

    return seed


def log_group(name: str) -> Seed:
    return there(
        f"log group {name}",
        "logs",
        lambda logs: logs.create_log_group(logGroupName=name),
        lambda logs: logs.delete_log_group(logGroupName=name),
    )


def put_alarm(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(
        AlarmName="payments-database-cpu",
        Namespace="AWS/RDS",
        MetricName="CPUUtilization",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=80,
        ComparisonOperator="GreaterThanThreshold",
    )


@contextlib.contextmanager
def function(client: Client, name: str = "payment-validator", reserved: int = 0) -> Iterator[str]:
    functions, iam = client("lambda"), client("iam")
    role = iam.create_role(RoleName=f"of-{name}", AssumeRolePolicyDocument=document(LAMBDA))
    functions.create_function(
        FunctionName=name, Runtime="python3.12", Role=role["Role"]["Arn"], Handler="index.handle",
        Code={"ZipFile": b"PK\x05\x06" + bytes(18)},
    )  # fmt: skip
    try:
        if reserved:
            functions.put_function_concurrency(
                FunctionName=name, ReservedConcurrentExecutions=reserved
            )
        yield f"function {name}"
    finally:
        functions.delete_function(FunctionName=name)
        iam.delete_role(RoleName=f"of-{name}")


@contextlib.contextmanager
def used_concurrency(client: Client) -> Iterator[str]:
    with function(client, "somebody-elses", 300):
        yield "Lambda concurrency"


@contextlib.contextmanager
def alias(client: Client) -> Iterator[str]:
    kms, name = client("kms"), "alias/payments/application"
    kms.create_alias(AliasName=name, TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    try:
        yield f"key alias {name}"
    finally:
        kms.delete_alias(AliasName=name)


@contextlib.contextmanager
def firewall(client: Client) -> Iterator[str]:
    waf = client("wafv2")
    visible = {
        "SampledRequestsEnabled": False,
        "CloudWatchMetricsEnabled": False,
        "MetricName": "payments",
    }
    made = waf.create_web_acl(
        Name="payments", Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=visible
    )["Summary"]
    try:
        yield "web firewall payments"
    finally:
        waf.delete_web_acl(
            Name="payments", Scope="REGIONAL", Id=made["Id"], LockToken=made["LockToken"]
        )


@contextlib.contextmanager
def bootstrap_version(client: Client, value: str) -> Iterator[str]:
    ssm, name = client("ssm"), "/cdk-bootstrap/hnb659fds/version"
    former = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    if value:
        ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
    else:
        ssm.delete_parameter(Name=name)
    try:
        yield "CDK bootstrap"
    finally:
        ssm.put_parameter(Name=name, Value=former, Type="String", Overwrite=True)


@contextlib.contextmanager
def no_assets_bucket(client: Client) -> Iterator[str]:
    s3, name = client("s3"), f"cdk-hnb659fds-assets-{aws.ACCOUNT}-us-east-1"
    s3.delete_bucket(Bucket=name)
    try:
        yield "bucket of the bootstrap"
    finally:
        s3.create_bucket(Bucket=name)


SEEDS: dict[str, Seed] = {
    "table": there(
        "table payment-transactions",
        "dynamodb",
        lambda dynamodb: dynamodb.create_table(
            TableName="payment-transactions",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        ),
        lambda dynamodb: dynamodb.delete_table(TableName="payment-transactions"),
    ),
    "function": function,
    "log group of a function": log_group("/aws/lambda/audit-logger"),
    "alarm": there(
        "alarm payments-database-cpu",
        "cloudwatch",
        put_alarm,
        lambda cloudwatch: cloudwatch.delete_alarms(AlarmNames=["payments-database-cpu"]),
    ),
    "composite alarm": there(
        "composite alarm payments-system-health-service",
        "cloudwatch",
        lambda cloudwatch: cloudwatch.put_composite_alarm(
            AlarmName="payments-system-health-service", AlarmRule="FALSE"
        ),
        lambda cloudwatch: cloudwatch.delete_alarms(AlarmNames=["payments-system-health-service"]),
    ),
    "dashboard": there(
        "dashboard payments-production",
        "cloudwatch",
        lambda cloudwatch: cloudwatch.put_dashboard(
            DashboardName="payments-production", DashboardBody='{"widgets": []}'
        ),
        lambda cloudwatch: cloudwatch.delete_dashboards(DashboardNames=["payments-production"]),
    ),
    "event rule": there(
        "event rule payments-key-deleted",
        "events",
        lambda events: events.put_rule(
            Name="payments-key-deleted", EventPattern='{"source": ["aws.kms"]}'
        ),
        lambda events: events.delete_rule(Name="payments-key-deleted"),
    ),
    "key alias": alias,
    "firewall": firewall,
    "database": there(
        "database instance payments-ledger",
        "rds",
        lambda rds: rds.create_db_instance(
            DBInstanceIdentifier="payments-ledger",
            DBInstanceClass="db.t3.micro",
            Engine="postgres",
            AllocatedStorage=20,
            MasterUsername="by_hand",
            ManageMasterUserPassword=True,
        ),
        lambda rds: rds.delete_db_instance(
            DBInstanceIdentifier="payments-ledger", SkipFinalSnapshot=True
        ),
    ),
    "concurrency used": used_concurrency,
    "old bootstrap": lambda client: bootstrap_version(client, "5"),
    "no bucket of the bootstrap": no_assets_bucket,
}


def test_nothing_is_in_the_way_in_a_bootstrapped_account(account: Account) -> None:
    """Nor are the log groups that another API, another database or an earlier stack has brought."""
    client = account.environment.client
    with log_group("/aws/apigateway/welcome")(client), log_group("RDSOSMetrics")(client):
        answer = account.preflight()
    assert answer.code == 0, answer.problems
    assert re.fullmatch(r"\d\d free", answer.check("names: log group")["found"])
    assert answer.check("API Gateway's logging role")["found"] == "none"
    assert answer.check("stack PaymentsProd")["found"] == "not there yet"
    unseen = [each["what"] for each in answer.document["checks"] if each["verdict"] == "not seen"]
    # six quotas, the zones, the database's offer, RDS's role, the trail; where it is not, the CLI
    assert len(set(unseen) - {"AWS CLI"}) == 10, unseen


@pytest.fixture(scope="module")
def in_the_way(account: Account) -> Seeded:
    seeds = {each: seed(account.environment.client) for each, seed in SEEDS.items()}
    return Seeded.ask(seeds, account.preflight)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_in_the_way_is_named_with_how_to_mend_it(in_the_way: Seeded, seed: str) -> None:
    (found,) = [
        each for each in in_the_way.answer.problems if each["what"] == in_the_way.named[seed]
    ]
    assert found["found"] != found["needed"]
    assert found["mend"]


def test_nothing_else_is_in_the_way(in_the_way: Seeded) -> None:
    assert in_the_way.answer.code == 1
    told = sorted(each["what"] for each in in_the_way.answer.problems)
    assert told == sorted(in_the_way.named.values())


def test_an_account_that_was_not_bootstrapped_is_told(account: Account) -> None:
    with bootstrap_version(account.environment.client, "") as what:
        answer = account.preflight()
    assert answer.code == 1
    (found,) = answer.problems
    assert (found["what"], found["found"]) == (what, "none")
    assert found["mend"] == f"npx cdk bootstrap aws://{aws.ACCOUNT}/us-east-1"


def test_a_role_that_the_deployment_replaces_is_told_but_not_in_the_way(account: Account) -> None:
    gateway = account.environment.client("apigateway")
    role = "arn:aws:iam::123456789012:role/of-other-apis"

    def put(value: str) -> None:
        gateway.update_account(
            patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": value}]
        )

    put(role)
    try:
        answer = account.preflight()
    finally:
        put("")
    assert answer.code == 0
    check = answer.check("API Gateway's logging role")
    assert check["found"] == role
    assert "replaces it for all APIs" in check["mend"]


def test_a_stack_that_could_not_be_deleted_is_in_the_way(account: Account) -> None:
    cloudformation = account.environment.client("cloudformation")
    template = {
        "Resources": {
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "TableName": "protected",
                    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                    "BillingMode": "PAY_PER_REQUEST",
                    "DeletionProtectionEnabled": True,
                },
            }
        }
    }
    made = cloudformation.create_stack(StackName="PaymentsProd", TemplateBody=json.dumps(template))[
        "StackId"
    ]

    def becomes(status: str) -> None:
        def is_so() -> bool:
            (stack,) = cloudformation.describe_stacks(StackName=made)["Stacks"]
            return bool(stack["StackStatus"] == status)

        wait_for(is_so)

    becomes("CREATE_COMPLETE")
    try:
        cloudformation.delete_stack(StackName="PaymentsProd")
        becomes("DELETE_FAILED")
        answer = account.preflight()
    finally:
        account.environment.client("dynamodb").update_table(
            TableName="protected", DeletionProtectionEnabled=False
        )
        cloudformation.delete_stack(StackName="PaymentsProd")
        becomes("DELETE_COMPLETE")
    assert answer.code == 1
    (found,) = answer.problems
    assert (found["what"], found["found"]) == ("stack PaymentsProd", "DELETE_FAILED")
    assert "--retain-resources" in found["mend"]


def test_what_may_not_be_asked_does_not_pass(account: Account) -> None:
    with user(account.empty, "dynamodb:DescribeTable") as variables:
        answer = account.preflight(**variables)
    assert answer.code == 1
    (found,) = answer.problems
    assert found["what"] == "names: table"
    assert "these credentials may not do it" in found["found"]


def test_a_setting_that_must_not_be_deployed_is_told_as_the_synthesis_tells_it(
    account: Account,
) -> None:
    answer = ops(account.empty, "preflight", "--json", "-c", "alert_email=nobody")
    assert answer.code == 1
    assert (
        "alert_email is 'nobody'; allowed is one e-mail address."
        in (answer.check("synthesis")["found"])
    )


def test_a_folder_that_is_no_assembly_is_told(account: Account, tmp_path: Path) -> None:
    answer = account.preflight("--assembly", str(tmp_path))
    assert answer.code == 1
    assert "is no cloud assembly" in answer.check("synthesis")["found"]


def test_settings_that_would_be_left_out_are_a_mistake(account: Account) -> None:
    answer = ops(account.empty, "preflight", "--assembly", ".", "-c", "alert_email=a@b.example")
    answer.refuses("-c or --assembly, not both")


def test_people_get_a_table_and_below_it_what_to_do(account: Account) -> None:
    with log_group("/payments/api-access")(account.environment.client):
        given = ("--assembly", str(account.assembly))
        answer = ops(account.empty, "preflight", *given, COLUMNS="80")
    assert answer.code == 1
    lines = answer.output.splitlines()
    (mend,) = [line for line in lines if line.startswith("log group /payments/api-access: ")]
    assert "aws logs delete-log-group --log-group-name /payments/api-access; " in mend
    assert max(len(line) for line in lines if line.startswith("  ")) <= 80
    assert re.search(r" held, 1 in the way, 1[01] cannot be seen here$", lines[-1])


def test_a_deployed_stack_is_not_in_its_own_way(production: Production, account: Account) -> None:
    answer = ops(production, "preflight", "--json", "--assembly", str(account.assembly))
    assert answer.code == 0, answer.problems
    assert answer.check("stack PaymentsProd")["found"].endswith("_COMPLETE")
    assert answer.check("names: web firewall")["found"] == "0 free, 1 the stack's own"
    assert answer.check("API Gateway's logging role")["found"] == "that of the stack"
