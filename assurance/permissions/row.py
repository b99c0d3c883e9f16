"""The words that the matrix is written in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

Rows = tuple["Row", ...]


class Decision(StrEnum):
    ALLOW = "allow"
    IMPLICIT_DENY = "implicit deny"
    """Nothing allows it; a statement added later could."""
    EXPLICIT_DENY = "explicit deny"
    """A statement forbids it, and no other statement can allow it."""


@dataclass(frozen=True)
class Given:
    """A circumstance of a request.

    :param context: condition keys and their values; a resource's name in braces stands for its
        ARN, and None takes away a key that the request would have.
    """

    words: str
    context: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class Row:
    who: str
    action: str
    resource: str
    """One of the names in resources.py."""
    expected: Decision
    why: str
    given: tuple[Given, ...] = ()

    @property
    def circumstances(self) -> str:
        return ", ".join(given.words for given in self.given)

    @property
    def request(self) -> str:
        """What is asked for, in words."""
        words = f"{self.who}: {self.action} on {self.resource}"
        return f"{words}, {self.circumstances}" if self.given else words


@dataclass(frozen=True)
class As:
    """Writes the rows of one principal; ``actions`` are a service's, separated by spaces."""

    who: str

    def may(self, service: str, actions: str, resource: str, why: str, *given: Given) -> Rows:
        return self._rows(Decision.ALLOW, service, actions, resource, why, given)

    def lacks(self, service: str, actions: str, resource: str, why: str, *given: Given) -> Rows:
        """Nobody gave it the right."""
        return self._rows(Decision.IMPLICIT_DENY, service, actions, resource, why, given)

    def never(self, service: str, actions: str, resource: str, why: str, *given: Given) -> Rows:
        """It is forbidden, whatever else is allowed."""
        return self._rows(Decision.EXPLICIT_DENY, service, actions, resource, why, given)

    def _rows(
        self,
        expected: Decision,
        service: str,
        actions: str,
        resource: str,
        why: str,
        given: tuple[Given, ...],
    ) -> Rows:
        return tuple(
            Row(self.who, f"{service}:{action}", resource, expected, why, given)
            for action in actions.split()
        )


PLAIN_HTTP: Final = Given("over plain HTTP", (("aws:SecureTransport", "false"),))

OLD_TLS: Final = Given("over TLS 1.1", (("s3:TlsVersion", "1.1"),))

BY_LAMBDA: Final = Given("by Lambda, not the code", (("lambda:SourceFunctionArn", None),))
"""Only calls of a function's code carry its ARN (AWS Lambda developer guide)."""


def through(service: str) -> Given:
    """Makes it a key's use by a service, on behalf of whoever called the service."""
    return Given(f"through {service}", (("kms:ViaService", f"{service}.us-east-1.amazonaws.com"),))


def for_account(account: str, words: str) -> Given:
    """Makes it a service's request for another account than ours."""
    return Given(words, (("aws:SourceAccount", account),))


def for_source(arn: str, words: str) -> Given:
    return Given(words, (("aws:SourceArn", arn),))


def encrypted(key: str) -> Given:
    """:param key: the name of one of the keys."""
    return Given(
        f"encrypted under the {key}",
        (
            ("s3:x-amz-server-side-encryption", "aws:kms"),
            ("s3:x-amz-server-side-encryption-aws-kms-key-id", f"{{{key}}}"),
        ),
    )


def doubly_encrypted(key: str) -> Given:
    """In S3's other way with KMS, twice over. :param key: the name of one of the keys."""
    return Given(
        f"encrypted twice under the {key}",
        (
            ("s3:x-amz-server-side-encryption", "aws:kms:dsse"),
            ("s3:x-amz-server-side-encryption-aws-kms-key-id", f"{{{key}}}"),
        ),
    )


IF_ABSENT: Final = Given("if there is none yet", (("s3:if-none-match", "*"),))
"""With the header ``If-None-Match: *``."""

FOR_AWS_RESOURCE: Final = Given(
    "for one of the service's resources", (("kms:GrantIsForAWSResource", "true"),)
)
