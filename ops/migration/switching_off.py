"""The last thing: what is switched off, in the order in which nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator

from ops.inspection.subjects import Subjects
from ops.migration.todo import Group, Importance, Todo


def todos(subjects: Subjects) -> Iterator[Todo]:
    commands = [*_commands(subjects)]
    yield Todo(
        group=Group.REMAINS,
        importance=Importance.MEDIUM,
        requirement="R13",
        what="confirmation of the alerts' subscription, once PaymentsProd stands",
        found="AWS mails ops@company.com",
        mend="not by the mail's link (docs/deployment.md, step 6)",
        command="aws sns confirm-subscription --authenticate-on-unsubscribe true "
        '--topic-arn "$TOPIC" --token "$TOKEN"',
    )
    if commands:
        yield Todo(
            group=Group.REMAINS,
            importance=Importance.LOW,
            what="switching off the old environment, when production is accepted and nobody calls "
            "it any more",
            found=f"{len(commands)} resources",
            mend="in this order, after the exports above (docs/migration.md, Switching off)",
            command="\n".join(commands),
        )


def _commands(subjects: Subjects) -> Iterator[str]:
    if subjects.api:
        yield f"aws apigateway delete-rest-api --rest-api-id {subjects.api}"
    for each in subjects.all_functions:
        yield f"aws lambda delete-function --function-name {each}"
    if name := subjects.database:
        yield (
            f"aws rds delete-db-instance --db-instance-identifier {name} "
            f"--final-db-snapshot-identifier {name}-final"
        )
    if subjects.queue:
        yield f"aws sqs delete-queue --queue-url {subjects.queue}"
    if subjects.table:
        yield f"aws dynamodb delete-table --table-name {subjects.table}"
    if subjects.alarms:
        yield f"aws cloudwatch delete-alarms --alarm-names {' '.join(subjects.alarms)}"
    if subjects.dashboard:
        yield f"aws cloudwatch delete-dashboards --dashboard-names {subjects.dashboard}"
    if subjects.topic:
        yield f"aws sns delete-topic --topic-arn {subjects.topic}"
