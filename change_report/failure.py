"""What is told to the user in a sentence or two."""

from __future__ import annotations

from botocore.exceptions import ClientError


def unreachable(error: Exception) -> str:
    """What it means that a service of AWS could not be reached."""
    return (
        f"no connection ({error}): is the network up? With AWS_ENDPOINT_URL set, is "
        "`make local` running?"
    )


def denied(error: ClientError) -> str:
    """Why a call was of no use, and what would be: a right is missing, as a rule."""
    response = error.response["Error"]
    return f"{error.operation_name} failed ({response['Code']}: {response['Message']})"


class ReportError(Exception):
    """The report cannot be made, or the deployment failed; the text says why and what to do."""
