"""Who gets the alerts: whom the deployed templates name, and whom SNS has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

from assurance.assembly import StackTemplate
from ops.console.checks import Check, Verdict
from ops.console.environment import stack_name
from ops.console.failure import or_none
from ops.production.stack import Production, every
from ops.production.templates import deployed


class State(StrEnum):
    """``ENDED``: SNS lists it as deleted for some days; nothing is sent there any more."""

    CONFIRMED = "confirmed"
    PENDING = "pending"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """
    Attributes:
        arn: no ARN where SNS gives none before somebody has confirmed.
        needs_sign_in: whether only a signed-in user can end it; without, the link in each of its
            mails does, and mail scanners follow links. None where SNS does not tell.
    """

    endpoint: str
    protocol: str
    state: State
    arn: str = ""
    needs_sign_in: bool | None = None

    @property
    def confirmed(self) -> bool:
        return self.state is State.CONFIRMED

    @property
    def has_link(self) -> bool:
        """Whether it has to be told if a sign-in is needed: only mail has a link that ends it."""
        return self.confirmed and self.protocol.startswith("email")


_SUBSCRIBE: Final = (
    "aws sns subscribe --topic-arn {topic} --protocol {protocol} --notification-endpoint {endpoint}"
)
_ALONE: Final = (
    "one mailbox loses alerts while it is full, filtered or unread: put a second subscription, "
    "such as a pager's, into nested/observability and deploy"
)
_CONFIRM: Final = (
    'AWS mails "AWS Notification - Subscription Confirmation" there. Do not follow its link, whose '
    "subscription anybody can end: aws sns confirm-subscription --authenticate-on-unsubscribe true "
    "--topic-arn {topic} --token TOKEN, which stands in the link between Token= and &"
)
"""How to confirm a subscription so that it takes a sign-in to end it."""


def safe(those: Sequence[Subscription], topic: str) -> Iterator[Check]:
    """Whether the alerts that arrive today arrive tomorrow too."""
    confirmed = [each for each in those if each.confirmed]
    weak = [each for each in confirmed if each.has_link and each.needs_sign_in is False]
    untold = [each for each in confirmed if each.has_link and each.needs_sign_in is None]
    held = Verdict.UNSEEN if untold else Verdict.HELD
    yield Check(
        what="subscriptions that anybody can end, by the link in each mail",
        found=", ".join(sorted({each.endpoint for each in weak}))
        or "".join(f"SNS does not tell of {each.endpoint}" for each in untold[:1])
        or "none",
        needed="none",
        verdict=Verdict.PROBLEM if weak else held,
        # Ended, and made anew so that it needs a sign-in.
        mend="; ".join(
            f"aws sns unsubscribe --subscription-arn {each.arn}; "
            + how_to_confirm(None, topic=topic, protocol=each.protocol, endpoint=each.endpoint)
            for each in weak
        ),
    )
    endpoints = sorted({each.endpoint for each in confirmed})
    if endpoints:
        # R13 asks for one address; so a single one is told, and is no problem.
        alone = len(endpoints) == 1
        yield Check(
            what="confirmed subscribers of the alerts",
            found=f"{endpoints[0]} alone" if alone else f"{len(endpoints)}",
            needed="a second one",
            verdict=Verdict.UNSEEN if alone else Verdict.HELD,
            mend=_ALONE if alone else "",
        )


def best(those: Sequence[Subscription], protocol: str, endpoint: str) -> Subscription | None:
    """Of those of one endpoint, the one that gets most: confirmed before pending before ended."""
    order = list(State)
    same = [each for each in those if (each.protocol, each.endpoint) == (protocol, endpoint)]
    return min(same, key=lambda each: order.index(each.state), default=None)


def how_to_confirm(found: Subscription | None, *, topic: str, protocol: str, endpoint: str) -> str:
    """How somebody gets the alerts who does not.

    Args:
        found: what SNS has, if anything.
    """
    subscribe = _SUBSCRIBE.format(topic=topic, protocol=protocol, endpoint=endpoint)
    confirm = _CONFIRM.format(topic=topic)
    if found and found.state is State.PENDING:
        return f"{confirm}. To have it mailed anew: {subscribe}"
    return f"{subscribe}. {confirm}"


def of_topic(sns: Any, topic: str) -> Iterator[Subscription]:
    """Those that SNS has, in whatever state."""
    for each in every(sns, "list_subscriptions_by_topic", TopicArn=topic):
        arn = each["SubscriptionArn"]
        # Before somebody has confirmed, and after it has ended, a word stands for the ARN.
        state = State.ENDED if arn == "Deleted" else State.PENDING
        signed = None
        if arn.startswith("arn:"):
            state, attributes = _asked(sns, arn)
            signed = attributes.get("ConfirmationWasAuthenticated")
        yield Subscription(
            endpoint=each["Endpoint"],
            protocol=each["Protocol"],
            state=state,
            arn=arn,
            needs_sign_in=None if signed is None else signed == "true",
        )


def _asked(sns: Any, arn: str) -> tuple[State, dict[str, str]]:
    """State and attributes of one that has an ARN."""
    ask = partial(sns.get_subscription_attributes, SubscriptionArn=arn)
    told = or_none(ask, "NotFound", "NotFoundException")
    if told is None:
        return State.ENDED, {}
    # The embedded environment gives those that wait an ARN too.
    waits = told["Attributes"].get("PendingConfirmation") == "true"
    return State.PENDING if waits else State.CONFIRMED, told["Attributes"]


def of_templates(production: Production) -> list[tuple[str, str]]:
    """Protocol and endpoint of those in the deployed templates."""
    return list(_named(deployed(production.client("cloudformation"), stack_name())))


def _named(template: StackTemplate) -> Iterator[tuple[str, str]]:
    for resource in template.resources.values():
        if resource["Type"] == "AWS::SNS::Subscription":
            yield resource["Properties"]["Protocol"], resource["Properties"]["Endpoint"]
    for child in template.children.values():
        yield from _named(child)
