"""Judges RDS IAM authentication tokens: SigV4-presigned URLs without their scheme
(Amazon RDS User Guide, "Connecting to your DB instance using IAM authentication")."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local import emulator_internals

LIFETIME_LIMIT = timedelta(minutes=15)  # "a lifetime of 15 minutes"
CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Database:
    """What a token must be made for."""

    host: str
    port: int
    resource_id: str
    account: str
    region: str

    def user_arn(self, user: str) -> str:
        return f"arn:aws:rds-db:{self.region}:{self.account}:dbuser:{self.resource_id}/{user}"


def refusal(token: str, user: str, database: Database, now: datetime | None = None) -> str | None:
    """Why `token` does not let `user` into `database`, or None if it does."""
    url = urlsplit(f"https://{token}")
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    signature = query.pop("X-Amz-Signature", "")
    access_key_id, _, scope = query.get("X-Amz-Credential", "").partition("/")
    signed_at = query.get("X-Amz-Date", "")
    if not signature or not access_key_id or query.get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256":
        return "it is not a signed token"
    if query.get("Action") != "connect" or query.get("DBUser") != user:
        return "it is for another database user"
    if url.netloc != f"{database.host}:{database.port}":
        return f"it is for {url.netloc}, not for {database.host}:{database.port}"
    if scope != f"{signed_at[:8]}/{database.region}/rds-db/aws4_request":
        return "its credential scope is another day, region or service"
    if (why := _out_of_time(signed_at, query.get("X-Amz-Expires", ""), now)) is not None:
        return why
    credential = emulator_internals.credential(
        access_key_id, database.account, query.get("X-Amz-Security-Token", "")
    )
    if credential is None:
        return "its access key is unknown, or its session token is not the key's"
    expected = _signature(url.netloc, query, access_key_id, credential.secret_access_key, database)
    if not hmac.compare_digest(expected, signature):
        return "its signature does not match"
    arn = database.user_arn(user)
    if not emulator_internals.allows(
        access_key_id, "rds-db:connect", arn, database.account, database.region
    ):
        return f"{credential.principal_arn} may not rds-db:connect to {arn}"
    return None


def _out_of_time(signed_at: str, lifetime: str, now: datetime | None) -> str | None:
    try:
        begin = datetime.strptime(signed_at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        length = timedelta(seconds=int(lifetime))
    except (ValueError, OverflowError):
        return "its date or lifetime cannot be read"
    now = now or datetime.now(UTC)
    if not timedelta() < length <= LIFETIME_LIMIT:
        return "its lifetime is not between 1 and 900 seconds"
    if begin > now + CLOCK_SKEW:
        return "it is from the future"
    if now >= begin + length:
        return "it has expired"
    return None


def _signature(
    host: str, query: dict[str, str], access_key_id: str, secret: str, database: Database
) -> str:
    """The signature that the owner of the key would make over the same request."""
    credentials = Credentials(access_key_id, secret)
    auth = SigV4QueryAuth(credentials, "rds-db", database.region)
    request = AWSRequest("GET", f"https://{host}/?{urlencode(query)}", headers={"host": host})
    request.context["timestamp"] = query["X-Amz-Date"]
    return str(
        auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    )
