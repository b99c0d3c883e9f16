"""What AWS reports as an event, not as a metric: keys, stacks, the database, people.

EventBridge hands each to the alerts topic as a mail that says what happened and what to do. What
reaches no topic is set aside in the queue of failed invocations, which has an alarm.

Events "via CloudTrail" come only while the account has a trail that logs management events
(Amazon EventBridge user guide, "AWS service events delivered via AWS CloudTrail"). The trail is the
account owner's; without one, the rules on keys, on root, on the console, on safeguards and on the
master secret stay silent. RDS, KMS, CloudFormation and AWS Health report theirs as often as they
can, but promise no delivery.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_cdk import Aws, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

from building_blocks.alert import DRILL_SOURCE, Alert, Severity
from nested.data import DataOutputs
from nested.observability.alerts_topic import AlertsTopic
from nested.observability.safeguards import by_hand, safeguards

_FAMILY = "keys-and-events"
_BY_CALL = "AWS API Call via CloudTrail"
_BY_SIGN_IN = "AWS Console Sign In via CloudTrail"
_OF_AWS = [{"prefix": "aws."}]
"""Sources that nobody but AWS may name: whoever may put events could else forge such a mail."""
_BY_SERVICE = "AWS Service Event via CloudTrail"

_SERVICES_IN_USE = (
    "apigateway",
    "cloudformation",
    "codedeploy",
    "dynamodb",
    "ec2",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "rds",
    "s3",
    "sns",
    "sqs",
    "wafv2",
)
"""As CloudTrail names them. IAM, which is global, reports its calls in us-east-1."""

_NEEDED = (
    "APIGATEWAY",
    "CLOUDWATCH",
    "DYNAMODB",
    "EC2",
    "EVENTS",
    "KMS",
    "LAMBDA",
    "NATGATEWAY",
    "RDS",
    "S3",
    "SECRETSMANAGER",
    "SNS",
    "SQS",
    "VPC",
    "WAF",
)
"""As AWS Health names them: those that payments, or their alerts, cannot do without."""


@dataclass(frozen=True, kw_only=True)
class EventAlert(Alert):
    """An alert that an event raises."""

    pattern: dict[str, Any]
    tells: dict[str, str]
    """What the mail quotes of the event: paths, by what they are called."""


def all_event_alerts(
    *, environment: str, data: DataOutputs, topic: AlertsTopic, unit: str
) -> tuple[EventAlert, ...]:
    """
    :param unit: name of the root stack.
    """
    guards = safeguards(data=data, topic=topic, unit=unit)
    who = {"Who": "$.detail.userIdentity.arn", "From": "$.detail.sourceIPAddress"}
    return (
        EventAlert(
            name="key-disabled",
            family=_FAMILY,
            severity=Severity.CRITICAL,
            summary="Somebody disabled a KMS key, or scheduled its deletion.",
            impact="What the key encrypts cannot be used: payments, ledger or audit trail stop.",
            pattern={
                "source": ["aws.kms"],
                "detail-type": [_BY_CALL],
                "detail": {"eventName": ["DisableKey", "ScheduleKeyDeletion"]},
            },
            tells={"Call": "$.detail.eventName", "Key": "$.detail.requestParameters.keyId", **who},
        ),
        EventAlert(
            name="key-deleted",
            family=_FAMILY,
            severity=Severity.CRITICAL,
            # KMS reports it itself, without a trail, but when it is too late.
            summary="A KMS key was deleted.",
            impact="What the key encrypted is lost.",
            pattern={"source": ["aws.kms"], "detail-type": ["KMS CMK Deletion"]},
            tells={"Key": "$.resources[0]"},
        ),
        EventAlert(
            name="stack-rollback",
            family=_FAMILY,
            severity=Severity.WARNING,
            summary=f"A deployment of {environment} failed, and is rolled back.",
            impact="None if the rollback succeeds: the release before serves.",
            pattern={
                "source": ["aws.cloudformation"],
                "detail-type": ["CloudFormation Stack Status Change"],
                # The root alone: its nested stacks report the same, each for itself. And the
                # beginning alone, or that it fails: the end is what the mail says will come.
                "detail": {
                    "stack-id": [{"prefix": _stack_id(unit)}],
                    "status-details": {
                        "status": [
                            "ROLLBACK_IN_PROGRESS",
                            "ROLLBACK_FAILED",
                            "UPDATE_ROLLBACK_IN_PROGRESS",
                            "UPDATE_ROLLBACK_FAILED",
                        ]
                    },
                },
            },
            tells={
                "Stack": "$.detail.stack-id",
                "Status": "$.detail.status-details.status",
                "Reason": "$.detail.status-details.status-reason",
            },
        ),
        _database(
            data,
            "database-failover",
            Severity.CRITICAL,
            {"EventID": _ids(13, 15, 49)},
            "The ledger's database fails over to its standby, or has done so.",
            "For a minute or two payments are queued (202) and posted afterwards.",
        ),
        _database(
            data,
            "database-failed",
            Severity.CRITICAL,
            # Deleted; shut down; storage full; failed; parameters or network that do not fit;
            # stopped; storage full by the threshold, and nearly so. RDS has them in several
            # categories, and in that of failures also what harms nobody (0219, 0220, 0223, 0224,
            # 0079, 0080).
            {"EventID": _ids(3, 4, 7, 31, 35, 36, 87, 221, 222)},
            "The ledger's database is deleted, stopped, shut down or full, or it failed.",
            "Payments are queued (202), and given up 20 to 40 minutes later.",
        ),
        _database(
            data,
            "database-maintenance",
            Severity.WARNING,
            {"EventCategories": ["maintenance"]},
            "RDS maintains the ledger's database, or is about to.",
            "None, or for a minute or two payments are queued (202) and posted afterwards.",
        ),
        EventAlert(
            name="root-activity",
            family=_FAMILY,
            severity=Severity.CRITICAL,
            summary="The account's root user signed in or changed something.",
            impact="None at once; root may do anything, and nobody should need it.",
            pattern={
                "source": _OF_AWS,
                "detail-type": [_BY_CALL, _BY_SIGN_IN],
                # AWS's services act for the account, and for root, under the same name.
                "detail": {
                    "userIdentity": {"type": ["Root"], "invokedBy": [{"exists": False}]},
                    "eventType": [{"anything-but": ["AwsServiceEvent"]}],
                },
            },
            tells={"Call": "$.detail.eventName", "From": "$.detail.sourceIPAddress"},
        ),
        EventAlert(
            name="console-changes",
            family=_FAMILY,
            severity=Severity.WARNING,
            summary="Somebody changed something by hand, in the AWS console.",
            impact=f"None at once; {environment} is no longer what its code says.",
            pattern={
                "source": _OF_AWS,
                "detail-type": [_BY_CALL],
                "detail": {
                    "eventSource": [f"{service}.amazonaws.com" for service in _SERVICES_IN_USE],
                    # Those are told by safeguard-changed, whoever makes them.
                    "eventName": [
                        {"anything-but": sorted({call for guard in guards for call in guard.calls})}
                    ],
                    "readOnly": [False],
                    # Root's are told by root-activity.
                    "userIdentity": {"type": [{"anything-but": ["Root"]}]},
                    # CloudTrail writes the field only if it is true.
                    "sessionCredentialFromConsole": ["true", True],
                },
            },
            tells={"Call": "$.detail.eventName", **who},
        ),
        EventAlert(
            name="alert-drill",
            family="alerts",
            severity=Severity.WARNING,
            summary="Somebody tries whether events reach the operators.",
            impact="None: nothing has happened, and nothing is to be done.",
            pattern={"source": [DRILL_SOURCE], "account": [Aws.ACCOUNT_ID]},
            # Whoever may put events writes the rest of it: none of that belongs into a mail that
            # operators trust.
            tells={"Drill": "$.id"},
        ),
        EventAlert(
            name="safeguard-changed",
            family=_FAMILY,
            severity=Severity.CRITICAL,
            summary=f"Somebody changed by hand what watches {environment} or keeps its evidence.",
            impact="None; what happens next may be seen by nobody.",
            pattern={
                "source": _OF_AWS,
                "detail-type": [_BY_CALL],
                "detail": {"$or": [guard.pattern() for guard in guards], **by_hand()},
            },
            tells={"Call": "$.detail.eventName", "Of": "$.detail.eventSource", **who},
        ),
        EventAlert(
            name="secret-rotation-failed",
            family=_FAMILY,
            severity=Severity.WARNING,
            summary="The password of the ledger's master user could not be rotated.",
            impact="None: nobody logs in with it. It is older than it should be.",
            pattern={
                "source": ["aws.secretsmanager"],
                "detail-type": [_BY_SERVICE],
                "detail": {
                    "eventName": ["RotationFailed"],
                    "additionalEventData": {"SecretId": [data.ledger.master_secret_arn]},
                },
            },
            tells={"Secret": "$.detail.additionalEventData.SecretId"},
        ),
        EventAlert(
            name="aws-health",
            family=_FAMILY,
            severity=Severity.WARNING,
            # The alarms tell what it does to production; this tells whose fault it is.
            summary=f"AWS reports a fault of a service that {environment} needs, "
            "or plans a change.",
            impact="As the alarms say that are on; a planned change is still to come.",
            pattern={
                "source": ["aws.health"],
                "detail-type": ["AWS Health Event"],
                "detail": {
                    "service": list(_NEEDED),
                    "eventTypeCategory": ["issue", "scheduledChange"],
                    # Health sends the same once more for each of its pages and updates, and when
                    # it is over.
                    "statusCode": [{"anything-but": ["closed"]}],
                },
            },
            tells={
                "Service": "$.detail.service",
                "Event": "$.detail.eventTypeCode",
                "Kind": "$.detail.eventTypeCategory",
                "Begins": "$.detail.startTime",
                "Arn": "$.detail.eventArn",
            },
        ),
    )


def _database(
    data: DataOutputs,
    name: str,
    severity: Severity,
    which: dict[str, list[str]],
    summary: str,
    impact: str,
) -> EventAlert:
    """Amazon RDS user guide, "Amazon RDS event categories and event messages"."""
    return EventAlert(
        name=name,
        family=_FAMILY,
        severity=severity,
        summary=summary,
        impact=impact,
        pattern={
            "source": ["aws.rds"],
            "detail-type": ["RDS DB Instance Event"],
            "detail": {"SourceIdentifier": [data.ledger.IDENTIFIER], **which},
        },
        tells={"Message": "$.detail.Message", "Event": "$.detail.EventID"},
    )


def _ids(*numbers: int) -> list[str]:
    """Of RDS's events."""
    return [f"RDS-EVENT-{number:04}" for number in numbers]


def _stack_id(name: str) -> str:
    """The beginning of a stack's id."""
    return f"arn:{Aws.PARTITION}:cloudformation:{Aws.REGION}:{Aws.ACCOUNT_ID}:stack/{name}/"


class EventAlerts(Construct):
    """A rule for each event, with the alerts topic as its target."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        data: DataOutputs,
        topic: AlertsTopic,
    ) -> None:
        super().__init__(scope, construct_id)
        parent = Stack.of(self).nested_stack_parent
        assert parent is not None, "the layer is nested"
        self.alerts = all_event_alerts(
            environment=environment, data=data, topic=topic, unit=parent.stack_name
        )
        rules = [
            # CDK's own target would admit EventBridge to topic and queue once more, whichever
            # rule it is for.
            events.CfnRule(
                self,
                "".join(word.capitalize() for word in alert.name.split("-")),
                name=alert.full_name,
                description=alert.description(),
                event_pattern=alert.pattern,
                targets=[
                    events.CfnRule.TargetProperty(
                        id="AlertsTopic",
                        arn=topic.topic_arn,
                        input_transformer=_mail(alert),
                        dead_letter_config=events.CfnRule.DeadLetterConfigProperty(
                            arn=data.failed_invocations_queue.queue_arn
                        ),
                    )
                ],
            )
            for alert in self.alerts
        ]
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="EventsOfTheseRules",
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                # Both keys are about the rule that sends (Amazon EventBridge user guide, "Using
                # IAM policy conditions"). "Amazon SNS permissions" there says that they do not
                # work with topics: what is not sent must not keep an alert from its reader.
                conditions={
                    "StringEqualsIfExists": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                    "ArnEqualsIfExists": {"aws:SourceArn": [rule.attr_arn for rule in rules]},
                },
            )
        )


def _mail(alert: EventAlert) -> events.CfnRule.InputTransformerProperty:
    """A quoted string for each line: EventBridge replaces what stands in <>, and SNS mails the
    text as it is."""
    quoted = {"When": "$.time", **alert.tells}
    lines = [
        f"ALERT: {alert.full_name}",
        *alert.lines(),
        *(f"{name}: <{name.lower()}>" for name in quoted),
    ]
    return events.CfnRule.InputTransformerProperty(
        input_paths_map={name.lower(): path for name, path in quoted.items()},
        input_template="\n".join(f'"{line}"' for line in lines),
    )
