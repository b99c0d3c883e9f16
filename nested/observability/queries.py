"""Saved queries of CloudWatch Logs Insights, for the questions of an incident.

The console lists them in the folder ``payments``, under *Logs Insights*, *Saved queries*.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_logs as logs
from constructs import Construct

_FUNCTIONS = (
    "/aws/lambda/payment-validator",
    "/aws/lambda/payment-processor",
    "/aws/lambda/audit-logger",
)
_ACCESS_LOG = "/payments/api-access"
_FIREWALL_LOG = "aws-waf-logs-payments"


@dataclass(frozen=True, kw_only=True)
class SavedQuery:
    """One question."""

    name: str
    log_groups: tuple[str, ...]
    query: str
    """Line by line, a command each."""


QUERIES = (
    SavedQuery(
        # A call's own line in the access log has its correlation_id as requestId.
        name="one payment's whole story",
        log_groups=_FUNCTIONS,
        query="""\
fields @timestamp, service, level, message, decision, code, entry_id, receives, correlation_id
| filter transaction_id = "PASTE-THE-TRANSACTION-ID"
| sort @timestamp asc
| limit 1000""",
    ),
    SavedQuery(
        name="slowest calls",
        log_groups=(_ACCESS_LOG,),
        # API Gateway writes every value as a string; a product is a number.
        query="""\
fields @timestamp, httpMethod, resourcePath, status, responseLatency * 1 as milliseconds,
  integrationLatency * 1 as in_function, requestId
| filter ispresent(responseLatency)
| sort milliseconds desc
| limit 50""",
    ),
    SavedQuery(
        name="declines by reason",
        log_groups=("/aws/lambda/payment-validator",),
        # The metric's own lines: one for each reason of each declined payment.
        query="""\
filter ispresent(reason) and @message like "PaymentsDeclined"
| stats count(*) as declines by reason, bin(5m) as time
| sort time desc, declines desc""",
    ),
    SavedQuery(
        name="errors by release",
        log_groups=_FUNCTIONS,
        # The version that a stream's name has in brackets is the release. What Lambda writes of a
        # call that ran out of time or of memory has no level.
        query="""\
parse @logStream /\\[(?<release>[^\\]]+)\\]/
| filter level in ["ERROR", "CRITICAL"] or @message like /Task timed out|Runtime exited/
| stats count(*) as errors, latest(@timestamp) as last by service, release, message
| sort errors desc""",
    ),
    SavedQuery(
        name="payments that keep failing",
        log_groups=("/aws/lambda/payment-processor",),
        query="""\
filter ispresent(receives) and ispresent(transaction_id)
| stats max(receives) as tries, latest(message) as last_message, latest(@timestamp) as last
  by transaction_id
| sort tries desc
| limit 100""",
    ),
    SavedQuery(
        name="who is blocked by the firewall",
        log_groups=(_FIREWALL_LOG,),
        query="""\
filter action = "BLOCK"
| stats count(*) as requests by httpRequest.clientIp, terminatingRuleId
| sort requests desc
| limit 50""",
    ),
)


class SavedQueries(Construct):
    """The queries above. Their log groups stand in the layers before, by these names."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        for saved in QUERIES:
            logs.CfnQueryDefinition(
                self,
                "".join(word.capitalize() for word in saved.name.replace("'", "").split()),
                name=f"payments/{saved.name}",
                log_group_names=list(saved.log_groups),
                query_string=saved.query,
            )
