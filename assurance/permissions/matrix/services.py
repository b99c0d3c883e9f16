"""AWS's services, acting for themselves: admitted one by one, for this account."""

from __future__ import annotations

from typing import Final

from assurance.permissions.matrix import service_roles
from assurance.permissions.resources import (
    ACCESS_LOG,
    ALERTING_RULE,
    ALERTS,
    API,
    APPLICATION_KEY,
    AUDIT_BUCKET,
    AUDIT_FAILURES,
    AUDIT_KEY,
    AUDIT_OBJECT,
    FAILED_INVOCATIONS,
    FUNCTIONS,
    LEDGER_KEY,
    RETRY_DEAD_LETTERS,
    RETRY_QUEUE,
    STRANGER,
    SWEEP,
    UNDELIVERED_ALERTS,
    function,
    live,
    role_of,
)
from assurance.permissions.row import (
    IF_ABSENT,
    PLAIN_HTTP,
    As,
    Rows,
    encrypted,
    for_account,
    for_source,
)
from assurance.permissions.templates import ACCOUNT, REGION
from building_blocks.operations import OPERATIONS

_HERE: Final = f"{REGION}:{ACCOUNT}"
_AN_ALARM: Final = for_source(f"arn:aws:cloudwatch:{_HERE}:alarm:payments", "for an alarm of ours")
_ANOTHERS_ALARM: Final = for_source(
    f"arn:aws:cloudwatch:{REGION}:{STRANGER}:alarm:theirs", "for a stranger's alarm"
)
_THE_TOPIC: Final = for_source("{" + ALERTS + "}", "for the alerts topic")
_THE_SWEEP: Final = for_source("{" + SWEEP + "}", "for the sweep's rule")
_ALERTING_RULE: Final = for_source("{" + ALERTING_RULE + "}", "for a rule that alerts")
_ANOTHERS_RULE: Final = for_source(
    f"arn:aws:events:{REGION}:{STRANGER}:rule/theirs", "for a stranger's rule"
)
_ANOTHERS: Final = for_account(STRANGER, "for a stranger's account")

_CLOUDWATCH: Final = As("cloudwatch.amazonaws.com")
_EVENTS: Final = As("events.amazonaws.com")
_SNS: Final = As("sns.amazonaws.com")
_S3_LOGGING: Final = As("logging.s3.amazonaws.com")
_LOGS: Final = As("logs.us-east-1.amazonaws.com")
_LAMBDA: Final = As("lambda.amazonaws.com")
_API_GATEWAY: Final = As("apigateway.amazonaws.com")

ROWS: Final[Rows] = (
    *_CLOUDWATCH.may("sns", "Publish", ALERTS, "alarms are mailed", _AN_ALARM),
    *_CLOUDWATCH.lacks("sns", "Publish", ALERTS, "not for others", _ANOTHERS, _ANOTHERS_ALARM),
    *_CLOUDWATCH.never("sns", "Publish", ALERTS, "the topic asks for TLS", _AN_ALARM, PLAIN_HTTP),
    *_CLOUDWATCH.lacks("sns", "Subscribe", ALERTS, "only publishes", _AN_ALARM),
    *_CLOUDWATCH.may("kms", "Decrypt GenerateDataKey", APPLICATION_KEY, "the topic is encrypted"),
    *_CLOUDWATCH.lacks(
        "kms", "Decrypt GenerateDataKey", APPLICATION_KEY, "not for others", _ANOTHERS
    ),
    *_CLOUDWATCH.lacks("kms", "PutKeyPolicy ScheduleKeyDeletion", APPLICATION_KEY, "only uses it"),
    *_CLOUDWATCH.lacks("kms", "Decrypt", AUDIT_KEY, "not what it publishes to"),
    *_CLOUDWATCH.lacks("kms", "Decrypt", LEDGER_KEY, "not what it publishes to"),
    *_EVENTS.may(
        "sqs",
        "SendMessage",
        FAILED_INVOCATIONS,
        "sets aside what reached no function",
        _THE_SWEEP,
    ),
    *_EVENTS.may("sns", "Publish", ALERTS, "events are mailed", _ALERTING_RULE),
    *_EVENTS.lacks(
        "sns", "Publish", ALERTS, "not for others", _ANOTHERS, _ANOTHERS_RULE, _THE_SWEEP
    ),
    *_EVENTS.never("sns", "Publish", ALERTS, "the topic asks for TLS", _ALERTING_RULE, PLAIN_HTTP),
    *_EVENTS.may(
        "kms", "Decrypt GenerateDataKey", APPLICATION_KEY, "queue and topic are encrypted"
    ),
    *_EVENTS.lacks(
        "sqs", "SendMessage", FAILED_INVOCATIONS, "not for others", _ANOTHERS, _ANOTHERS_RULE
    ),
    *_EVENTS.lacks("sqs", "ReceiveMessage", FAILED_INVOCATIONS, "only sends", _THE_SWEEP),
    *_EVENTS.lacks("sqs", "SendMessage", RETRY_QUEUE, "payment-processor's", _THE_SWEEP),
    # EventBridge does not tell KMS for whom it acts; the queue's policy does the telling apart.
    *_EVENTS.lacks("kms", "Encrypt PutKeyPolicy", APPLICATION_KEY, "only sends"),
    *_SNS.may("sqs", "SendMessage", UNDELIVERED_ALERTS, "sets aside lost mail", _THE_TOPIC),
    *_SNS.may("kms", "Decrypt GenerateDataKey", APPLICATION_KEY, "the queue is encrypted"),
    *_SNS.lacks("sqs", "SendMessage", UNDELIVERED_ALERTS, "not for others", _ANOTHERS),
    *_SNS.lacks("sqs", "SendMessage", RETRY_QUEUE, "payment-processor's", _THE_TOPIC),
    *_SNS.lacks("sqs", "SendMessage", RETRY_DEAD_LETTERS, "the retry queue's"),
    *_SNS.lacks("sqs", "SendMessage", AUDIT_FAILURES, "audit-logger's"),
    *_SNS.lacks("kms", "Decrypt", APPLICATION_KEY, "not for others", _ANOTHERS),
    *_S3_LOGGING.may(
        "s3",
        "PutObject",
        ACCESS_LOG,
        "who reads or writes the trail is logged",
        for_source("{" + AUDIT_BUCKET + "}", "for the audit bucket"),
    ),
    *_S3_LOGGING.lacks(
        "s3",
        "PutObject",
        ACCESS_LOG,
        "not for others",
        _ANOTHERS,
        for_source("arn:aws:s3:::another", "for another bucket"),
    ),
    *_S3_LOGGING.lacks("s3", "GetObject", ACCESS_LOG, "only writes"),
    *_S3_LOGGING.lacks(
        "s3", "PutObject", AUDIT_OBJECT, "audit-logger's", encrypted(AUDIT_KEY), IF_ABSENT
    ),
    *_LOGS.lacks("kms", "Decrypt", APPLICATION_KEY, "only for log groups, which it must name"),
    *_LOGS.lacks("kms", "PutKeyPolicy", APPLICATION_KEY, "only uses it"),
    *_LOGS.lacks("kms", "Decrypt", AUDIT_KEY, "no logs there"),
    *_EVENTS.may(
        "lambda",
        "InvokeFunction",
        live("payment-processor"),
        "the sweep, every minute",
        _THE_SWEEP,
    ),
    *_EVENTS.lacks(
        "lambda",
        "InvokeFunction",
        live("payment-processor"),
        "for no other rule",
        for_source(f"arn:aws:events:{_HERE}:rule/another", "for another rule"),
    ),
    *_EVENTS.lacks("lambda", "InvokeFunction", live("payment-validator"), "the API's"),
    *_EVENTS.lacks(
        "lambda",
        "InvokeFunction",
        function("payment-processor"),
        "what is released, only",
        _THE_SWEEP,
    ),
    *(
        row
        for name, method in (
            (each.function, f"{each.method}{each.at('any')}") for each in OPERATIONS
        )
        for row in (
            *_API_GATEWAY.may(
                "lambda",
                "InvokeFunction",
                live(name),
                "the API's integration",
                for_source("{" + API + f"}}/prod/{method}", f"for {method}"),
            ),
            *_API_GATEWAY.lacks(
                "lambda",
                "InvokeFunction",
                function(name),
                "what is released, only",
                for_source("{" + API + f"}}/prod/{method}", f"for {method}"),
            ),
            *_API_GATEWAY.lacks(
                "lambda",
                "InvokeFunction",
                live(name),
                "for no other API",
                for_source(
                    f"arn:aws:execute-api:{_HERE}:another/prod/{method}", f"for another's {method}"
                ),
            ),
            *_API_GATEWAY.lacks(
                "lambda",
                "InvokeFunction",
                live("audit-logger"),
                "the stream's",
                for_source("{" + API + f"}}/prod/{method}", f"for {method}"),
            ),
        )
    ),
    *(
        row
        for name in FUNCTIONS
        for row in (
            *_LAMBDA.may("sts", "AssumeRole", role_of(name), "runs the function"),
            *_API_GATEWAY.lacks("sts", "AssumeRole", role_of(name), "the role is Lambda's"),
        )
    ),
    *(
        row
        for name in service_roles.NAMES
        for row in (
            *As(f"{name}.amazonaws.com").may("sts", "AssumeRole", role_of(name), "its own role"),
            *_LAMBDA.lacks("sts", "AssumeRole", role_of(name), "another service's role"),
        )
    ),
    *As("vpc-flow-logs.amazonaws.com").lacks(
        "sts", "AssumeRole", role_of(service_roles.FLOW_LOGS), "not for others", _ANOTHERS
    ),
)
