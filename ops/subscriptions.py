"""Who gets the alerts: whom the deployed templates name, and whom SNS has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from change_report.assembly import STACK
from change_report.templates import StackTemplate, deployed
from ops.production import Production


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """
    Attributes:
        arn: no ARN where SNS gives none before somebody has confirmed.
    """

    endpoint: str
    protocol: str
    confirmed: bool
    arn: str = ""


def of_topic(sns: Any, topic: str) -> Iterator[Subscription]:
    """Those that SNS has, confirmed or not."""
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    for each in (subscription for page in pages for subscription in page["Subscriptions"]):
        arn = each["SubscriptionArn"]
        # The embedded environment gives those that wait an ARN too.
        confirmed = arn.startswith("arn:") and (
            sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"].get(
                "PendingConfirmation"
            )
            != "true"
        )
        yield Subscription(
            endpoint=each["Endpoint"], protocol=each["Protocol"], confirmed=confirmed, arn=arn
        )


def of_templates(production: Production) -> list[tuple[str, str]]:
    """Protocol and endpoint of those in the deployed templates."""
    return list(_named(deployed(production.client("cloudformation"), STACK)))


def _named(template: StackTemplate) -> Iterator[tuple[str, str]]:
    for resource in template.resources.values():
        if resource["Type"] == "AWS::SNS::Subscription":
            yield resource["Properties"]["Protocol"], resource["Properties"]["Endpoint"]
    for child in template.children.values():
        yield from _named(child)
