"""The policies of buckets, queues, topics and keys are enforced, with the conditions of ours."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from local import aws
from tests.environment import Environment
from tests.probe import Probe, Statement, allow, deny, document, make_role

KEY = f"arn:aws:kms:us-east-1:{aws.ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
OTHER_KEY = f"arn:aws:kms:us-east-1:{aws.ACCOUNT}:key/99999999-2222-3333-4444-555555555555"
EVERYTHING = allow("*")

NOT_ENCRYPTED = {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}
OTHER_THAN_THE_KEY = {"StringNotEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": KEY}}
MAY_OVERWRITE = {"Null": {"s3:if-none-match": "true"}}
OBJECT_MAY_OVERWRITE = {**MAY_OVERWRITE, "Bool": {"s3:ObjectCreationOperation": "true"}}
PLAIN_HTTP = {"Bool": {"aws:SecureTransport": "false"}}
FOREIGN = {
    "StringNotEquals": {"aws:PrincipalAccount": "999999999999"},
    "Bool": {"aws:PrincipalIsAWSService": "false"},
}
OWN = {
    "StringNotEquals": {"aws:PrincipalAccount": aws.ACCOUNT},
    "Bool": {"aws:PrincipalIsAWSService": "false"},
}
ELSEWHERE = {"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}


@pytest.fixture(scope="module")
def administrator(environment: Environment) -> Probe:
    """A function whose role lets it do everything."""
    return Probe(environment, make_role(environment, EVERYTHING))


def _denial(action: str, condition: dict[str, Any], resource: str = "*") -> str:
    return document(deny(action, resource, Principal={"AWS": "*"}, Condition=condition))


@pytest.mark.parametrize(
    ("denied", "written", "refused"),
    [
        (NOT_ENCRYPTED, {}, True),
        (NOT_ENCRYPTED, {"ServerSideEncryption": "AES256"}, True),
        (NOT_ENCRYPTED, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY}, False),
        (OTHER_THAN_THE_KEY, {}, True),
        (OTHER_THAN_THE_KEY, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": OTHER_KEY}, True),
        (OTHER_THAN_THE_KEY, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY}, False),
        (MAY_OVERWRITE, {}, True),
        (MAY_OVERWRITE, {"IfNoneMatch": "*"}, False),
        (OBJECT_MAY_OVERWRITE, {}, True),
        (OBJECT_MAY_OVERWRITE, {"IfNoneMatch": "*"}, False),
        (PLAIN_HTTP, {}, False),
        (ELSEWHERE, {}, False),
        (FOREIGN, {}, True),
        (OWN, {}, False),
    ],
)
def test_a_bucket_refuses_what_its_policy_denies(
    environment: Environment,
    administrator: Probe,
    bucket: str,
    denied: dict[str, Any],
    written: dict[str, str],
    refused: bool,
) -> None:
    policy = _denial("s3:PutObject", denied, f"arn:aws:s3:::{bucket}/*")
    environment.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    answer = administrator.attempt(
        ["s3", "put_object", {"Bucket": bucket, "Key": "a", "Body": "x", **written}]
    )
    assert ("explicit deny in a resource-based policy" in answer) is refused, answer
    assert (answer == "done") is not refused


def test_only_the_end_of_a_multipart_upload_makes_an_object(
    environment: Environment, administrator: Probe, bucket: str
) -> None:
    s3 = environment.client("s3")
    policy = _denial("s3:PutObject", OBJECT_MAY_OVERWRITE, f"arn:aws:s3:::{bucket}/*")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    item = {"Bucket": bucket, "Key": "a"}
    assert administrator.attempt(["s3", "create_multipart_upload", item]) == "done"
    part = {**item, "UploadId": s3.create_multipart_upload(**item)["UploadId"]}
    assert (
        administrator.attempt(["s3", "upload_part", {**part, "PartNumber": 1, "Body": "x"}])
        == "done"
    )
    (stored,) = s3.list_parts(**part)["Parts"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": stored["ETag"]}]}
    complete = {**part, "MultipartUpload": parts}
    assert "AccessDenied" in administrator.attempt(["s3", "complete_multipart_upload", complete])
    only_new = {**complete, "IfNoneMatch": "*"}
    assert administrator.attempt(["s3", "complete_multipart_upload", only_new]) == "done"


@pytest.mark.parametrize(
    ("denied", "refused"), [(PLAIN_HTTP, False), (OWN, False), (FOREIGN, True)]
)
def test_a_queue_and_a_topic_refuse_what_their_policies_deny(
    environment: Environment,
    administrator: Probe,
    queue: str,
    denied: dict[str, Any],
    refused: bool,
) -> None:
    environment.client("sqs").set_queue_attributes(
        QueueUrl=queue, Attributes={"Policy": _denial("sqs:SendMessage", denied)}
    )
    sns = environment.client("sns")
    topic = sns.create_topic(Name=f"topic-{uuid.uuid4().hex[:8]}")["TopicArn"]
    sns.set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=_denial("sns:Publish", denied)
    )
    for call, error in (
        (["sqs", "send_message", {"QueueUrl": queue, "MessageBody": "x"}], "AccessDenied"),
        (["sns", "publish", {"TopicArn": topic, "Message": "x"}], "AuthorizationError"),
    ):
        answer = administrator.attempt(call)
        assert (error in answer) is refused, answer
        assert (answer == "done") is not refused


def _key_statement(**condition: Any) -> Statement:
    statement: Statement = allow(
        "kms:Encrypt", Principal={"AWS": f"arn:aws:iam::{aws.ACCOUNT}:root"}
    )
    return {**statement, "Condition": condition} if condition else statement


@pytest.mark.parametrize(
    ("admitted", "refused"),
    [
        (_key_statement(), False),
        (_key_statement(StringEquals={"kms:CallerAccount": aws.ACCOUNT}), False),
        (_key_statement(StringEquals={"kms:CallerAccount": "999999999999"}), True),
        (_key_statement(StringEquals={"kms:ViaService": "s3.us-east-1.amazonaws.com"}), True),
    ],
)
def test_a_key_admits_only_what_its_policy_allows(
    environment: Environment, administrator: Probe, admitted: Statement, refused: bool
) -> None:
    kms = environment.client("kms")
    key = kms.create_key(Policy=document(admitted))["KeyMetadata"]["KeyId"]
    answer = administrator.attempt(["kms", "encrypt", {"KeyId": key, "Plaintext": "x"}])
    assert ("AccessDenied" in answer) is refused, answer
    assert (answer == "done") is not refused


def test_a_service_is_told_apart_from_the_accounts_own(
    environment: Environment, queue: str
) -> None:
    sns, sqs = environment.client("sns"), environment.client("sqs")
    topic = sns.create_topic(Name=f"topic-{uuid.uuid4().hex[:8]}")["TopicArn"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    arn = attributes["Attributes"]["QueueArn"]
    deliver: Statement = allow(
        "sqs:SendMessage",
        arn,
        Principal={"Service": "sns.amazonaws.com"},
        Condition={
            "ArnEquals": {"aws:SourceArn": topic},
            "StringEquals": {"aws:SourceAccount": aws.ACCOUNT},
        },
    )
    others: Statement = deny("sqs:*", arn, Principal="*", Condition=OWN)
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": document(deliver, others)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="x")
    assert len(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5).get("Messages", [])) == 1
