"""The deployed API, called as a client calls it, with the time that each answer took."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from ops.production.api_keys import Plan
from ops.production.stack import Production

ANSWER_SECONDS: Final = 40
"""API Gateway gives up after 29, its default integration timeout."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """
    Attributes:
        status: of HTTP; 0 where no answer came.
        body: its JSON object; empty if it has none.
        seconds: from the connection's opening to the last byte.
        failure: why no answer came.
    """

    status: int
    body: dict[str, Any]
    seconds: float
    failure: str = ""

    def told(self) -> str:
        """Status, and what the body says of it in a word."""
        body = self.body
        words = [body.get("decision"), body.get("code"), *body.get("reasons", [])]
        if isinstance(body.get("status"), str):  # a problem's repeats the HTTP status
            words.append(body["status"])
        return self.failure or " · ".join([str(self.status), *filter(None, words)])


@dataclass(frozen=True, kw_only=True)
class PaymentsApi:
    """
    Attributes:
        url: without the last slash.
        public_url: what clients are told; the emulator serves it elsewhere.
    """

    url: str
    public_url: str
    _key: str = field(repr=False)

    @classmethod
    def find(cls, production: Production) -> PaymentsApi:
        """With the value of a key that is enabled, the stack's own if it is.

        Raises:
            OpsError: there is none.
        """
        plan = Plan.find(production)
        public_url = production.output("ApiUrl").rstrip("/")
        return cls(
            url=_emulated(production, public_url) if production.emulated else public_url,
            public_url=public_url,
            _key=plan.value(plan.usable_key()),
        )

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        with_key: bool = True,
    ) -> Answer:
        """Call once, on a connection of its own. `body` is sent as JSON, or as it is if bytes."""
        headers = {"content-type": "application/json", "user-agent": "payments-ops"}
        if with_key:
            headers["x-api-key"] = self._key
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - the address is our own API's
            f"{self.url}{path}", data=data, method=method, headers=headers
        )
        begun = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        except OSError as error:
            seconds = time.monotonic() - begun
            return Answer(status=0, body={}, seconds=seconds, failure=f"no answer: {error}")
        seconds = time.monotonic() - begun
        try:
            found = json.loads(content)
        except ValueError:
            found = None
        return Answer(status=status, body=found if isinstance(found, dict) else {}, seconds=seconds)


def _emulated(production: Production, public_url: str) -> str:
    """Where the emulator serves https://<id>.execute-api.<region>.amazonaws.com/<stage>."""
    public = urlsplit(public_url)
    endpoint = production.client("apigateway").meta.endpoint_url
    return f"{endpoint}/restapis/{public.netloc.split('.')[0]}{public.path}/_user_request_"
