"""What keeps a command from doing its work, told to the user in a sentence or two."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Final, TypeVar

from botocore import exceptions
from botocore.exceptions import ClientError

AnswerT = TypeVar("AnswerT")


class OpsError(Exception):
    """The command could not do its work; the text says why and what to do."""


_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_UNKNOWN: Final = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "AuthFailure"}
)
_DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "UnauthorizedOperation",
    }
)
_BUSY: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""With which services say that it is they who cannot answer now, not the caller who is wrong."""
_SIGN_IN: Final = "sign in anew (such as `aws sso login`), or renew the AWS_* variables"


def explain(error: Exception) -> str:
    """What one of boto3's errors means, and what to do about it; others speak for themselves."""
    if isinstance(error, ClientError):
        return _of_service(error)
    match error:
        case exceptions.NoCredentialsError() | exceptions.PartialCredentialsError():
            return (
                "no AWS credentials: `export AWS_PROFILE=...` or the AWS_* variables; for the "
                "embedded environment, `source .local/env`"
            )
        case exceptions.ProfileNotFound():
            return f"{error}: look with `aws configure list-profiles`"
        case (
            exceptions.SSOTokenLoadError()
            | exceptions.UnauthorizedSSOTokenError()
            | exceptions.TokenRetrievalError()
        ):
            return f"the sign-in of the AWS profile has ended: {_SIGN_IN}"
        case exceptions.HTTPClientError() | exceptions.ConnectionError():
            return unreachable(error)
    return str(error)


def code(error: ClientError) -> str:
    """The service's name for the error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def or_none(ask: Callable[[], AnswerT], *codes: str) -> AnswerT | None:
    """What AWS answers; None where it says, with one of these codes, that there is nothing."""
    try:
        return ask()
    except ClientError as error:
        if code(error) not in codes:
            raise
        return None


def is_denied(error: ClientError) -> bool:
    """Whether the credentials may not do what was asked."""
    return code(error) in _DENIED


def is_busy(error: Exception) -> bool:
    """Whether the same call may be answered in a minute: AWS throttled it, failed, or was not
    reached."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return code(error) in _BUSY or status == 429 or status >= 500
    return isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError)


def _of_service(error: ClientError) -> str:
    if code(error) in _EXPIRED:
        return f"the AWS credentials have expired: {_SIGN_IN}"
    if code(error) in _UNKNOWN:
        return f"AWS does not know these credentials ({code(error)}): {_SIGN_IN}"
    if is_denied(error):
        return f"these credentials may not do it: {error}"
    if is_busy(error):
        return f"AWS could not answer now, ask again in a minute: {error}"
    return str(error)


def unreachable(error: Exception) -> str:
    """What it means that a service of AWS could not be reached."""
    return (
        f"no connection ({error}): is the network up? With AWS_ENDPOINT_URL set, is "
        "`make local` running?"
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Those that are most like a name that nothing has; empty if none is."""
    close = get_close_matches(name, sorted({*known}))
    return f"did you mean {', '.join(close)}?" if close else ""


def denied(error: ClientError) -> str:
    """Why a call was of no use, and what would be: a right is missing, as a rule."""
    response = error.response["Error"]
    return f"{error.operation_name} failed ({response['Code']}: {response['Message']})"
