"""What is protected is not deleted, by the services' own APIs or by CloudFormation; and an update
that says nothing about protection leaves it as it is."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.environment import Environment, Stack, resource

DATABASE: dict[str, Any] = resource(
    "RDS::DBInstance",
    DBInstanceIdentifier="sealed",
    Engine="postgres",
    EngineVersion="18",
    DBInstanceClass="db.t3.medium",
    AllocatedStorage="20",
    MasterUsername="ledger_admin",
    ManageMasterUserPassword=True,
    BackupRetentionPeriod=30,
)

TABLE: dict[str, Any] = resource(
    "DynamoDB::Table",
    TableName="sealed",
    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    BillingMode="PAY_PER_REQUEST",
)


def set_protection(environment: Environment, wanted: bool) -> None:
    environment.client("rds").modify_db_instance(
        DBInstanceIdentifier="sealed", DeletionProtection=wanted, ApplyImmediately=True
    )
    environment.client("dynamodb").update_table(
        TableName="sealed", DeletionProtectionEnabled=wanted
    )


def protections(environment: Environment) -> tuple[bool, bool]:
    instances = environment.client("rds").describe_db_instances(DBInstanceIdentifier="sealed")
    table = environment.client("dynamodb").describe_table(TableName="sealed")["Table"]
    return (
        instances["DBInstances"][0]["DeletionProtection"],
        table.get("DeletionProtectionEnabled", False),
    )


def test_protection_holds_until_it_is_taken_away(environment: Environment, stack: Stack) -> None:
    resources = {"Database": DATABASE, "Table": TABLE}
    assert stack.create(resources) == "CREATE_COMPLETE"
    assert protections(environment) == (False, False)
    set_protection(environment, True)
    assert protections(environment) == (True, True)

    with pytest.raises(ClientError, match="DeletionProtection"):
        environment.client("rds").delete_db_instance(
            DBInstanceIdentifier="sealed", SkipFinalSnapshot=True
        )
    with pytest.raises(ClientError, match="protected against deletion"):
        environment.client("dynamodb").delete_table(TableName="sealed")

    streamed = {"StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"}}
    changed = copy.deepcopy({"Database": DATABASE, "Table": TABLE})
    changed["Database"]["Properties"]["BackupRetentionPeriod"] = 31
    changed["Table"]["Properties"] |= streamed
    assert stack.update(changed) == "UPDATE_COMPLETE"
    assert protections(environment) == (True, True)

    assert stack.delete() == "DELETE_FAILED"
    reasons = " ".join(stack.reasons())
    assert "Cannot delete protected DB Instance sealed" in reasons
    assert "Table is protected against deletion" in reasons
    assert protections(environment) == (True, True)

    set_protection(environment, False)
    assert stack.delete() == "DELETE_COMPLETE"
