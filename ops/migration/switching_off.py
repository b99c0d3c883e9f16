"""The last thing: what is switched off, in the order in which nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator

from ops.inspection.subjects import Subjects
from ops.migration.held import plans
from ops.migration.todo import Group, Importance, Todo
from ops.production.questions import Clients


def todos(clients: Clients, subjects: Subjects) -> Iterator[Todo]:
    commands = [*_commands(clients, subjects)]
    yield Todo(
        group=Group.REMAINS,
        importance=Importance.MEDIUM,
        requirement="R13",
        what="confirmation of the alerts' subscription, once PaymentsProd stands",
        found="AWS mails ops@company.com",
        mend="not by the mail's link, and with production's credentials (docs/deployment.md, "
        "step 6)",
    )
    if commands:
        yield Todo(
            group=Group.REMAINS,
            importance=Importance.LOW,
            what="switching off the old environment, when production is accepted and nobody calls "
            "it any more",
            found=f"{len(commands)} commands",
            mend="in this order, after the exports above (docs/migration.md, Switching off)",
            command="\n".join(commands),
        )


def _commands(clients: Clients, subjects: Subjects) -> Iterator[str]:
    if subjects.api:
        # AWS keeps an API that is in a usage plan.
        for plan in plans(clients, subjects.api):
            for each in plan["apiStages"]:
                if each["apiId"] == subjects.api:
                    yield (
                        f"aws apigateway update-usage-plan --usage-plan-id {plan['id']} "
                        "--patch-operations op=remove,path=/apiStages,"
                        f"value={subjects.api}:{each['stage']}"
                    )
        yield f"aws apigateway delete-rest-api --rest-api-id {subjects.api}"
    for each in subjects.all_functions:
        yield f"aws lambda delete-function --function-name {each}"
    if name := subjects.database:
        found = clients("rds").describe_db_instances(DBInstanceIdentifier=name)
        if found["DBInstances"][0].get("DeletionProtection"):
            yield (
                f"aws rds modify-db-instance --db-instance-identifier {name} "
                "--no-deletion-protection --apply-immediately"
            )
        yield (
            f"aws rds delete-db-instance --db-instance-identifier {name} "
            f"--final-db-snapshot-identifier {name}-final"
        )
    if subjects.queue:
        yield f"aws sqs delete-queue --queue-url {subjects.queue}"
    if name := subjects.table:
        table = clients("dynamodb").describe_table(TableName=name)["Table"]
        if table.get("DeletionProtectionEnabled"):
            yield f"aws dynamodb update-table --table-name {name} --no-deletion-protection-enabled"
        yield f"aws dynamodb delete-table --table-name {name}"
    if subjects.alarms:
        yield f"aws cloudwatch delete-alarms --alarm-names {' '.join(subjects.alarms)}"
    if subjects.dashboard:
        yield f"aws cloudwatch delete-dashboards --dashboard-names {subjects.dashboard}"
    if subjects.topic:
        yield f"aws sns delete-topic --topic-arn {subjects.topic}"
