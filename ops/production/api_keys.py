"""The keys of the API's clients, on the stack's usage plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.console.failure import OpsError
from ops.production.stack import Production


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A key, without its value.

    Attributes:
        of_stack: CloudFormation owns it.
    """

    id: str
    name: str
    enabled: bool
    created: datetime
    tags: Mapping[str, str]
    of_stack: bool

    def described(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "enabled": self.enabled,
            "created": self.created.isoformat(),
            "owner": "stack" if self.of_stack else "operators",
        }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The stack's usage plan, through the user's credentials."""

    production: Production
    gateway: Any
    id: str

    @classmethod
    def find(cls, production: Production) -> Plan:
        (plan,) = production.resources("AWS::ApiGateway::UsagePlan")
        return cls(production=production, gateway=production.client("apigateway"), id=plan.name)

    def api_keys(self) -> list[ApiKey]:
        """Its keys, oldest first."""
        pages = self.gateway.get_paginator("get_usage_plan_keys").paginate(usagePlanId=self.id)
        ids = {each["id"] for page in pages for each in page["items"]}
        pages = self.gateway.get_paginator("get_api_keys").paginate(includeValues=False)
        keys = [self._key(each) for page in pages for each in page["items"] if each["id"] in ids]
        return sorted(keys, key=lambda key: key.created)

    def _key(self, found: Mapping[str, Any]) -> ApiKey:
        tags = found.get("tags", {})
        return ApiKey(
            id=found["id"],
            name=found["name"],
            enabled=found["enabled"],
            created=found["createdDate"].astimezone(UTC),
            tags=tags,
            of_stack=found["id"] == self.production.output("ApiKeyId")
            or "aws:cloudformation:stack-id" in tags,
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
        """One that is enabled, the oldest: the stack's own, until it is revoked.

        Raises:
            OpsError: none is.
        """
        for key in self.api_keys():
            if key.enabled:
                return key
        raise OpsError("no key of the API is enabled: `api-key create` makes one")

    def value(self, key: ApiKey) -> str:
        """The secret itself: not for any output but the user's terminal, nor for any log."""
        value: str = self.gateway.get_api_key(apiKey=key.id, includeValue=True)["value"]
        return value

    def create(self, name: str) -> ApiKey:
        """A key on the plan, tagged as the stack's own is. If it cannot be put on the plan, there
        is no key.

        Raises:
            OpsError: the name is empty, or another key's.
        """
        if not name.strip():
            raise OpsError("a key needs a name, such as its client's")
        if same := [key for key in self.api_keys() if key.name == name]:
            raise OpsError(f"there is a key of that name already, {names(same)}: give another")
        operator = self.production.client("sts").get_caller_identity()["Arn"]
        own = self.key(self.production.output("ApiKeyId"))
        created = self._key(
            self.gateway.create_api_key(
                name=name,
                description=f"Made with `api-key` by {operator}",
                enabled=True,
                tags={tag: v for tag, v in own.tags.items() if not tag.startswith("aws:")},
            )
        )
        try:
            self.gateway.create_usage_plan_key(
                usagePlanId=self.id, keyId=created.id, keyType="API_KEY"
            )
        except BaseException:
            self.gateway.delete_api_key(apiKey=created.id)
            raise
        return created

    def disable(self, key: ApiKey) -> None:
        self.gateway.update_api_key(
            apiKey=key.id,
            patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}],
        )

    def delete(self, key: ApiKey) -> None:
        self.gateway.delete_usage_plan_key(usagePlanId=self.id, keyId=key.id)
        self.gateway.delete_api_key(apiKey=key.id)

    def requests(self, keys: Iterable[ApiKey]) -> dict[str, int] | None:
        """Requests yesterday and today (UTC), by key id; None where it cannot be seen."""
        if self.production.emulated:
            return None  # the emulator counts them, but does not tell
        return {key.id: self._requests(key) for key in keys}

    def _requests(self, key: ApiKey) -> int:
        today = datetime.now(UTC).date()
        # One key at a time: AWS may name what it counts by a key's value, which is a secret.
        pages = self.gateway.get_paginator("get_usage").paginate(
            usagePlanId=self.id,
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
