"""Clients of the emulator, as administrator of its account."""

from __future__ import annotations

import os
from typing import Any, cast

import boto3
import botocore.session
from botocore.config import Config

ACCOUNT = "123456789012"
REGION = "us-east-1"

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"

LOOPBACK = "127.0.0.1,localhost"

# What the emulator takes for the account's root (it does not check root's signature): `test`.
ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"  # noqa: S105 - of an emulator on loopback


def client(service: str, endpoint: str) -> Any:
    """A boto3 client that never leaves `endpoint` and reads no configuration of the user."""
    own = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )
    session = boto3.session.Session(
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
        region_name=REGION,
        botocore_session=own,
    )
    # Any: the stubs know each service by a literal name only.
    return session.client(
        cast(Any, service),
        endpoint_url=endpoint,
        config=Config(retries={"total_max_attempts": 2}, s3={"addressing_style": "path"}),
    )


def environment(endpoint: str) -> dict[str, str]:
    """The variables with which the AWS and CDK command lines talk to the emulator."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        # A proxy of the user's is for other hosts than this one.
        "NO_PROXY": LOOPBACK,
        "no_proxy": LOOPBACK,
    }
