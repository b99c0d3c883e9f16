"""Passwords of a quarter of an hour: signing in to the ledger with IAM."""

from __future__ import annotations

from botocore.exceptions import NoCredentialsError
from botocore.model import ServiceId
from botocore.session import Session
from botocore.signers import RequestSigner

from ledger.connection import LedgerAddress

VALID_SECONDS = 900  # RDS's own limit; it counts at sign-in only


def sign_in_token(session: Session, address: LedgerAddress, user: str) -> str:
    """Sign a token with the session's credentials; nothing is sent.

    The same as the RDS client's generate_db_auth_token (a test compares them), without the cost of
    that client.
    """
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    signer = RequestSigner(
        ServiceId("RDS"),
        session.get_config_variable("region"),
        "rds-db",
        "v4",
        credentials,
        session.get_component("event_emitter"),
    )
    url = signer.generate_presigned_url(
        {
            "method": "GET",
            "url": f"https://{address.host}:{address.port}/",
            "body": {"Action": "connect", "DBUser": user},
            "headers": {},
            "context": {},
        },
        operation_name="connect",
        expires_in=VALID_SECONDS,
    )
    return str(url).removeprefix("https://")
