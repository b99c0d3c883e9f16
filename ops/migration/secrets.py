"""Which variables hold a secret: told by name or by form, and never by value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from detect_secrets.core.scan import scan_line
from detect_secrets.settings import transient_settings

_BY_THEIR_FORM: Final = (
    "AWSKeyDetector",
    "ArtifactoryDetector",
    "AzureStorageKeyDetector",
    "BasicAuthDetector",
    "DiscordBotTokenDetector",
    "GitHubTokenDetector",
    "GitLabTokenDetector",
    "JwtTokenDetector",
    "MailchimpDetector",
    "NpmDetector",
    "OpenAIDetector",
    "PrivateKeyDetector",
    "PypiTokenDetector",
    "SendGridDetector",
    "SlackDetector",
    "SquareOAuthDetector",
    "StripeDetector",
    "TwilioKeyDetector",
)
_SECRET: Final = re.compile(
    r"credentials?|pass|passphrase|pepper|pin|pwd?|salt|secrets"
    # Such as PGPASSWORD: of words that are written as one, the end tells.
    r"|.*(password|passwd|secret|token|apikey)"
)
_OF_A_KEY: Final = re.compile(
    "access|api|app|auth|client|encryption|hmac|jwt|license|master|private|rest|secret|service"
    "|shared|signing|stripe|webhook"
)
"""What a key is of, where it is one to keep: a partition key is none."""

_ABOUT_ONE: Final = re.compile(
    "arn|count|days|enabled|endpoint|expiry|file|header|id|issuer|length|name|parameter|path"
    "|seconds|table|ttl|type|url|version"
)
"""Last words of names that tell of a secret, and do not hold one."""

_REFERENCE: Final = re.compile(r"arn:aws|alias/|\{\{resolve:|/[\w/.-]+$|(true|false)$", re.I)
_IN_AN_ADDRESS: Final = re.compile(r"://[^\s/@]*:[^\s]+@|\b(password|pwd)\s*=\s*\S", re.I)


def of_variables(variables: Mapping[str, str]) -> Iterator[str]:
    """The names of those that hold a secret in plain text."""
    for name, value in variables.items():
        if value and (_is_named_so(name, value) or _has_the_form(name, value)):
            yield name


def _is_named_so(name: str, value: str) -> bool:
    words = [each.lower() for each in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
    if not words or _ABOUT_ONE.fullmatch(words[-1]) or _REFERENCE.match(value):
        return False
    if any(map(_SECRET.fullmatch, words)):
        return True
    return "key" in words and any(map(_OF_A_KEY.fullmatch, words))


def _has_the_form(name: str, value: str) -> bool:
    if _IN_AN_ADDRESS.search(value):
        return True
    # Without its filter of verification, it asks nobody whether the secret works.
    with transient_settings({"plugins_used": [{"name": each} for each in _BY_THEIR_FORM]}):
        return any(True for line in value.splitlines() for _ in scan_line(f'{name} = "{line}"'))
