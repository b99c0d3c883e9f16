"""The keys of the API's clients, on the stack's usage plan or on a client's own.

CloudFormation knows nothing of clients' plans. AWS deletes no stage that is on a plan: they are
taken off it before the API goes, and put on the one that comes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ops.console.failure import OpsError
from ops.production.stack import Production, every

_CLIENT: Final = "payments-client-"
"""Begins the name of a plan that is a client's own."""

_MADE: Final = "Made with `api-key` by"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one key may send: requests a second, at once, and a day."""

    rate: float
    burst: int
    quota: int

    @classmethod
    def of(cls, plan: Mapping[str, Any]) -> Limits:
        throttle = plan.get("throttle", {})
        return cls(
            rate=throttle.get("rateLimit", 0),
            burst=throttle.get("burstLimit", 0),
            quota=plan.get("quota", {}).get("limit", 0),
        )

    def __str__(self) -> str:
        return f"{self.rate:g}/s, burst {self.burst}, {self.quota} a day"


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A key, without its value.

    Attributes:
        of_stack: CloudFormation owns it.
        plan: the id of the usage plan that it is on, the stack's or its client's own.
    """

    id: str
    name: str
    enabled: bool
    created: datetime
    tags: Mapping[str, str]
    of_stack: bool
    plan: str
    limits: Limits

    def described(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "enabled": self.enabled,
            "created": self.created.isoformat(),
            "owner": "stack" if self.of_stack else "operators",
            "plan": self.plan,
            "limits": asdict(self.limits),
        }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The stack's usage plan, through the user's credentials."""

    production: Production
    gateway: Any
    id: str

    @classmethod
    def find(cls, production: Production) -> Plan:
        """A deletion that was held up may have taken the plan already; what clients' own plans are
        asked for does not need it."""
        found = [each.name for each in production.resources("AWS::ApiGateway::UsagePlan")]
        return cls(
            production=production,
            gateway=production.client("apigateway"),
            id=found[0] if found else "",
        )

    def api_keys(self) -> list[ApiKey]:
        """Its keys and those of clients' own plans, oldest first."""
        plans = self._plans()
        keys = [self._key(e, plans[e["id"]]) for e in self._of_account() if e["id"] in plans]
        return sorted(keys, key=lambda key: key.created)

    def _plans(self) -> dict[str, dict[str, Any]]:
        """By the ids of the keys that are on them."""
        plans = [self._own(), *self._clients()]
        return {key: plan for plan in plans for key in self._keys_of(plan["id"])}

    def _of_account(self) -> list[dict[str, Any]]:
        return [*every(self.gateway, "get_api_keys", includeValues=False)]

    def _own(self) -> dict[str, Any]:
        if not self.id:
            raise OpsError("the stack has no usage plan any more: is it being deleted?")
        plan: dict[str, Any] = self.gateway.get_usage_plan(usagePlanId=self.id)
        return plan

    def _clients(self) -> list[dict[str, Any]]:
        """The plans that are clients' own."""
        return [
            plan
            for plan in every(self.gateway, "get_usage_plans")
            if plan["name"].startswith(_CLIENT)
        ]

    def _keys_of(self, plan: str) -> list[str]:
        return [each["id"] for each in every(self.gateway, "get_usage_plan_keys", usagePlanId=plan)]

    def _key(self, found: Mapping[str, Any], plan: Mapping[str, Any]) -> ApiKey:
        tags = found.get("tags", {})
        return ApiKey(
            id=found["id"],
            name=found["name"],
            enabled=found["enabled"],
            created=found["createdDate"].astimezone(UTC),
            tags=tags,
            of_stack=found["id"] == self.production.output("ApiKeyId")
            or "aws:cloudformation:stack-id" in tags,
            plan=plan["id"],
            limits=Limits.of(plan),
        )

    def key(self, identifier: str) -> ApiKey:
        """
        Raises:
            OpsError: the plan has no such key.
        """
        keys = self.api_keys()
        for key in keys:
            if key.id == identifier:
                return key
        raise OpsError(f"the API has no key {identifier}; it has {names(keys)}")

    def usable_key(self) -> ApiKey:
        """One that is enabled, the oldest: the stack's own, until it is revoked. One with a
        client's own limits only if there is no other.

        Raises:
            OpsError: none is.
        """
        for key in sorted(self.api_keys(), key=lambda key: key.plan != self.id):
            if key.enabled:
                return key
        raise OpsError("no key of the API is enabled: `api-key create` makes one")

    def value(self, key: ApiKey) -> str:
        """The secret itself: not for any output but the user's terminal, nor for any log."""
        value: str = self.gateway.get_api_key(apiKey=key.id, includeValue=True)["value"]
        return value

    def create(
        self, name: str, limits: Mapping[str, float] | None = None, instead_of: ApiKey | None = None
    ) -> ApiKey:
        """A key tagged as the stack's own is. If it cannot be put on its plan, there is no key.

        Args:
            limits: for a plan of its own: those of Limits; what is left out is the stack's plan's.
            instead_of: it gets that key's plan.

        Raises:
            OpsError: the name is empty, or another key's; or the limits are above what the API
                lets all clients together send.
        """
        if not name.strip():
            raise OpsError("a key needs a name, such as its client's")
        if same := [key for key in self.api_keys() if key.name == name]:
            raise OpsError(f"there is a key of that name already, {names(same)}: give another")
        own = self.key(self.production.output("ApiKeyId"))
        tags = {tag: value for tag, value in own.tags.items() if not tag.startswith("aws:")}
        operator = self.production.client("sts").get_caller_identity()["Arn"]
        made = {"description": f"{_MADE} {operator}", "tags": tags}
        self._tidy(name)
        plan = self._own()
        if instead_of:
            plan = self.gateway.get_usage_plan(usagePlanId=instead_of.plan)
        elif limits:
            plan = self._plan_of(name, self._allowed(limits, Limits.of(plan)), plan, made)
        with contextlib.ExitStack() as undoing:
            undoing.callback(self._drop, plan["id"])
            created = self.gateway.create_api_key(name=name, enabled=True, **made)
            undoing.callback(self.gateway.delete_api_key, apiKey=created["id"])
            self.gateway.create_usage_plan_key(
                usagePlanId=plan["id"], keyId=created["id"], keyType="API_KEY"
            )
            undoing.pop_all()
        return self._key(created, plan)

    def _tidy(self, name: str) -> None:
        """Delete what a `create` of this name has left that was cut off: key and plan, neither of
        which is of any use without the other."""
        planned = self._plans()
        for key in self._of_account():
            made = str(key.get("description", "")).startswith(_MADE)
            if key["name"] == name and made and key["id"] not in planned:
                self.gateway.delete_api_key(apiKey=key["id"])
        for plan in self._clients():
            if plan["name"] == f"{_CLIENT}{name}":
                self._drop(plan["id"])

    def _allowed(self, limits: Mapping[str, float], most: Limits) -> Limits:
        wanted = Limits(**{**asdict(most), **limits})
        if wanted.rate > most.rate or wanted.burst > most.burst:
            raise OpsError(
                f"the API lets all clients together send {most}: raise api_rate_limit and "
                "api_burst_limit first, and deploy (config.py)"
            )
        if wanted.burst < wanted.rate:
            raise OpsError(f"a burst below the rate stops who keeps to it: {wanted}")
        return wanted

    def _plan_of(
        self, name: str, limits: Limits, own: Mapping[str, Any], made: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A client's plan."""
        plan: dict[str, Any] = self.gateway.create_usage_plan(
            name=f"{_CLIENT}{name}",
            apiStages=[
                {"apiId": each["apiId"], "stage": each["stage"]} for each in own["apiStages"]
            ],
            throttle={"rateLimit": limits.rate, "burstLimit": limits.burst},
            quota={"limit": limits.quota, "period": "DAY"},
            **made,
        )
        return plan

    def _drop(self, plan: str) -> None:
        """Delete a client's plan that no key is on any more."""
        if plan != self.id and not self._keys_of(plan):
            self._take_off(self.gateway.get_usage_plan(usagePlanId=plan))
            self.gateway.delete_usage_plan(usagePlanId=plan)

    def _take_off(self, plan: Mapping[str, Any]) -> None:
        """AWS deletes no plan that has a stage, and no stage that has a plan."""
        self._patch(plan, "remove", plan.get("apiStages", []))

    def _patch(self, plan: Mapping[str, Any], op: str, stages: Sequence[Mapping[str, Any]]) -> None:
        if stages:
            self.gateway.update_usage_plan(
                usagePlanId=plan["id"],
                patchOperations=[
                    {"op": op, "path": "/apiStages", "value": f"{each['apiId']}:{each['stage']}"}
                    for each in stages
                ],
            )

    def detach(self) -> list[str]:
        """Take all clients' plans off the API, which can then be deleted; their names. Keys and
        limits stay, and are of no use meanwhile."""
        plans = [plan for plan in self._clients() if plan.get("apiStages")]
        for plan in plans:
            self._take_off(plan)
        return [plan["name"].removeprefix(_CLIENT) for plan in plans]

    def attach(self) -> list[str]:
        """Put clients' plans on the stack's API and on no other; the names of those that were
        not."""
        stages = self._own()["apiStages"]
        here = {(each["apiId"], each["stage"]) for each in stages}
        moved = []
        for plan in self._clients():
            if {(e["apiId"], e["stage"]) for e in plan.get("apiStages", [])} != here:
                self._take_off(plan)
                self._patch(plan, "add", stages)
                moved.append(plan["name"].removeprefix(_CLIENT))
        return moved

    def disable(self, key: ApiKey) -> None:
        self.gateway.update_api_key(
            apiKey=key.id,
            patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}],
        )

    def delete(self, key: ApiKey) -> None:
        self.gateway.delete_usage_plan_key(usagePlanId=key.plan, keyId=key.id)
        self.gateway.delete_api_key(apiKey=key.id)
        self._drop(key.plan)

    def requests(self, keys: Iterable[ApiKey]) -> dict[str, int] | None:
        """Requests yesterday and today (UTC), by key id; None where it cannot be seen."""
        if self.production.emulated:
            return None  # the emulator counts them, but does not tell
        return {key.id: self._requests(key) for key in keys}

    def _requests(self, key: ApiKey) -> int:
        today = datetime.now(UTC).date()
        # One key at a time: AWS may name what it counts by a key's value, which is a secret.
        pages = self.gateway.get_paginator("get_usage").paginate(
            usagePlanId=key.plan,
            keyId=key.id,
            startDate=(today - timedelta(days=1)).isoformat(),
            endDate=today.isoformat(),
        )
        # A pair for each day: used, and left of the quota.
        return sum(
            used
            for page in pages
            for days in page.get("items", {}).values()
            for used, _left in days
        )


def names(keys: Sequence[ApiKey]) -> str:
    return ", ".join(f"{key.id} ({key.name})" for key in keys)
