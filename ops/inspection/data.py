"""R4, R9, R10, R11 and R18: database, table, bucket, queue, and the keys that they are under."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from ops.console.environment import required
from ops.console.failure import or_none
from ops.inspection.findings import Finding, judged, problem
from ops.inspection.policies import NOBODY, denies_plain_http, opened
from ops.inspection.subjects import Subjects
from ops.production.questions import Clients

_GLACIER_DAYS: Final = 90
_QUEUE_SECONDS: Final = 14 * 86_400
_HIDDEN_SECONDS: Final = 6 * 30
"""Lambda, "Using Lambda with Amazon SQS": six times the function's time limit, that of R5."""
_SERVING: Final = frozenset(
    {
        "available",
        "backing-up",
        "configuring-enhanced-monitoring",
        "configuring-iam-database-auth",
        "configuring-log-exports",
        "modifying",
        "storage-config-upgrade",
        "storage-initialization",
        "storage-optimization",
    }
)
"""RDS, "Viewing Amazon RDS DB instance status": those in which an instance can be reached."""
_OWN_KEY: Final = "a customer-managed key"

Item = Mapping[str, Any]


def database(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """R4."""
    name = subjects.database
    if not name:
        return
    found = instance(clients, name)
    modify = f"aws rds modify-db-instance --db-instance-identifier {name} "
    again = "at once it is not changed: restore a snapshot of it (aws rds copy-db-snapshot "
    status = found["DBInstanceStatus"]
    yield judged(
        "R4", f"status of {name}", found=status, needed="available", held=status in _SERVING,
        mend=f"aws rds start-db-instance --db-instance-identifier {name}" if status == "stopped"
        else "AWS's guide, Viewing Amazon RDS DB instance status, tells what it means",
    )  # fmt: skip
    yield judged(
        "R4", f"engine of {name}", found=found["Engine"], needed="postgres",
        mend="PaymentsProd makes a PostgreSQL instance; move the data there",
    )  # fmt: skip
    config = required()
    class_, days = f"db.{config.database_instance_type}", config.backup_retention_days
    at_once = " --apply-immediately"
    for what, now, needed, change in (
        (f"class of {name}", found["DBInstanceClass"], class_, f"--db-instance-class {class_}"),
        (f"Multi-AZ of {name}", found["MultiAZ"], True, "--multi-az"),
        (
            f"automated backups of {name}", f"{found['BackupRetentionPeriod']} days",
            f"{days} days", f"--backup-retention-period {days}",
        ),
        (
            f"{name} can be reached from the internet", found["PubliclyAccessible"],
            False, "--no-publicly-accessible",
        ),
    ):  # fmt: skip
        yield judged("R4", what, found=now, needed=needed, mend=modify + change + at_once)
    yield judged(
        "R4", f"deletion protection of {name}", found=found.get("DeletionProtection", False),
        needed=True, mend=modify + "--deletion-protection",
    )  # fmt: skip
    yield encrypted(
        clients, "R4", f"storage of {name}",
        found.get("KmsKeyId", "") if found["StorageEncrypted"] else "",
        again + "--kms-key-id KEY, then restore-db-instance-from-db-snapshot)",
    )  # fmt: skip


def table(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """R9."""
    name = subjects.table
    if not name:
        return
    dynamodb = clients("dynamodb")
    found = dynamodb.describe_table(TableName=name)["Table"]
    anew = "keys cannot be changed: PaymentsProd makes the table; move the items there"
    yield judged("R9", "name of the table", found=name, needed="payment-transactions", mend=anew)
    types = {each["AttributeName"]: each["AttributeType"] for each in found["AttributeDefinitions"]}
    keys = {each["KeyType"]: each["AttributeName"] for each in found["KeySchema"]}
    for what, kind, needed in (
        ("partition key", "HASH", "transaction_id (S)"),
        ("sort key", "RANGE", "timestamp (N)"),
    ):
        attribute = keys.get(kind)
        yield judged(
            "R9", f"{what} of {name}",
            found=f"{attribute} ({types[attribute]})" if attribute else None,
            needed=needed, mend=anew,
        )  # fmt: skip
    recovery = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    yield judged(
        "R9", f"point-in-time recovery of {name}",
        found=recovery.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus"),
        needed="ENABLED",
        mend=f"aws dynamodb update-continuous-backups --table-name {name} "
        "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
    )  # fmt: skip
    yield judged(
        "R9", f"stream of {name}, which the audit trail is written from",
        found=found.get("StreamSpecification", {}).get("StreamEnabled", False), needed=True,
        mend=f"aws dynamodb update-table --table-name {name} --stream-specification "
        "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES; it is another stream then: "
        "docs/runbooks/table-lost.md, *Its stream*, has audit-logger read it",
    )  # fmt: skip
    yield judged(
        "R9", f"deletion protection of {name}",
        found=found.get("DeletionProtectionEnabled", False), needed=True,
        mend=f"aws dynamodb update-table --table-name {name} --deletion-protection-enabled",
    )  # fmt: skip
    yield encrypted(
        clients, "R9", f"items of {name}", found.get("SSEDescription", {}).get("KMSMasterKeyArn"),
        f"aws dynamodb update-table --table-name {name} --sse-specification "
        "Enabled=true,SSEType=KMS,KMSMasterKeyId=KEY",
    )  # fmt: skip


def bucket(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """R10."""
    name, s3 = subjects.bucket, clients("s3")
    if not name:
        return
    lifecycle = _of_bucket(s3.get_bucket_lifecycle_configuration, name)
    days = [
        transition.get("Days")
        for rule in lifecycle.get("Rules", [])
        if rule["Status"] == "Enabled" and _is_of_all(rule)
        for transition in rule.get("Transitions", [])
        if transition.get("StorageClass") == "GLACIER"
    ]
    yield judged(
        "R10", f"{name}: objects move to Glacier",
        found=", ".join(f"after {each} days" for each in days) or "never",
        needed=f"after {_GLACIER_DAYS} days", held=days == [_GLACIER_DAYS],
        mend=f"aws s3api put-bucket-lifecycle-configuration --bucket {name} with a rule of all "
        f"objects and a transition to GLACIER after {_GLACIER_DAYS} days; it replaces all rules",
    )  # fmt: skip
    asked = _of_bucket(s3.get_public_access_block, name)
    blocked = asked.get("PublicAccessBlockConfiguration", {})
    four = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    left = [each for each in four if not blocked.get(each)]
    yield judged(
        "R10", f"{name}: public access", found=f"not blocked: {', '.join(left)}" if left
        else "all blocked", needed="all blocked",
        mend=f"aws s3api put-public-access-block --bucket {name} "
        f"--public-access-block-configuration {','.join(f'{each}=true' for each in four)}",
    )  # fmt: skip
    yield judged(
        "R10", f"{name}: versioning",
        found=s3.get_bucket_versioning(Bucket=name).get("Status", "never switched on"),
        needed="Enabled",
        mend=f"aws s3api put-bucket-versioning --bucket {name} --versioning-configuration "
        "Status=Enabled",
    )  # fmt: skip
    lock = _of_bucket(s3.get_object_lock_configuration, name).get("ObjectLockConfiguration", {})
    retention = lock.get("Rule", {}).get("DefaultRetention")
    yield judged(
        "R10", f"{name}: Object Lock",
        found=f"{retention['Mode']}, {_period(retention)}" if retention else None,
        needed="a default retention, so that audit records cannot be removed",
        held=bool(retention),
        mend=f"aws s3api put-object-lock-configuration --bucket {name} with a default retention",
    )  # fmt: skip
    policy = _of_bucket(s3.get_bucket_policy, name).get("Policy")
    put_policy = f"aws s3api put-bucket-policy --bucket {name} with the template's policy"
    yield judged(
        "R10", f"{name}: plain HTTP", needed="denied to all", mend=put_policy,
        found="denied to all" if denies_plain_http(policy, "s3")
        else "not denied" if policy else "not denied: there is no bucket policy",
    )  # fmt: skip
    yield judged(
        "R10", f"{name}: whom the policy lets in without a condition",
        found=opened(policy) or NOBODY, needed=NOBODY, mend=put_policy,
    )  # fmt: skip
    yield encrypted(
        clients, "R10", f"objects of {name}", bucket_key(clients, name),
        f"aws s3api put-bucket-encryption --bucket {name} with aws:kms and a key of the bucket's "
        "own; objects that are there keep their key until they are copied",
    )  # fmt: skip


def queue(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """R11."""
    if not subjects.queue:
        return
    sqs = clients("sqs")
    attributes = _attributes(sqs, subjects.queue)
    yield _kept(subjects.queue, attributes, "retry queue")
    seconds = int(attributes["VisibilityTimeout"])
    yield judged(
        "R11", "messages of the retry queue are hidden while tried", found=f"{seconds} s",
        needed=f"{_HIDDEN_SECONDS} s at least", held=seconds >= _HIDDEN_SECONDS,
        mend=f"aws sqs set-queue-attributes --queue-url {subjects.queue} --attributes "
        f"VisibilityTimeout={_HIDDEN_SECONDS}",
    )  # fmt: skip
    yield encrypted(
        clients, "R11", "messages of the retry queue", attributes.get("KmsMasterKeyId", ""),
        f"aws sqs set-queue-attributes --queue-url {subjects.queue} --attributes "
        "KmsMasterKeyId=KEY",
    )  # fmt: skip
    redrive = json.loads(attributes.get("RedrivePolicy", "{}"))
    target = redrive.get("deadLetterTargetArn", "")
    yield judged(
        "R11", "payments that are given up",
        found=f"kept in {target.rsplit(':', 1)[-1]} after {redrive['maxReceiveCount']} tries"
        if target else "no dead-letter queue: tried until they expire, then lost",
        needed="kept in a dead-letter queue", held=bool(target),
        mend=f"aws sqs set-queue-attributes --queue-url {subjects.queue} --attributes "
        "RedrivePolicy=... with deadLetterTargetArn and maxReceiveCount",
    )  # fmt: skip
    if target:
        url = sqs.get_queue_url(QueueName=target.rsplit(":", 1)[-1])["QueueUrl"]
        yield _kept(url, _attributes(sqs, url), "dead-letter queue")


def keys(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """R18."""
    of_database = of_bucket = ""
    if subjects.database:
        of_database = instance(clients, subjects.database).get("KmsKeyId", "")
    if subjects.bucket:
        of_bucket = bucket_key(clients, subjects.bucket)
    described = {
        what: clients("kms").describe_key(KeyId=key)["KeyMetadata"] if key else None
        for what, key in (("database", of_database), ("audit bucket", of_bucket))
    }
    told = {key["KeyId"] for key in described.values() if key}
    others = {
        each.construct: clients("kms").describe_key(KeyId=each.name)["KeyMetadata"]
        for each in subjects.stack
        if each.type == "AWS::KMS::Key" and each.name not in told
    }
    for what, key in (described | others).items():
        if key is None:
            yield problem(
                "R18", f"key of the {what}", found="none that can be told", needed=_OWN_KEY,
                mend="see R4" if what == "database" else "see R10",
            )  # fmt: skip
            continue
        name = key["KeyId"]
        yield judged(
            "R18", f"key of the {what}", found=f"{key['KeyManager']}, {key['KeyState']}: {name}",
            needed="CUSTOMER, Enabled",
            held=(key["KeyManager"], key["KeyState"]) == ("CUSTOMER", "Enabled"),
            mend=f"aws kms enable-key --key-id {name}; after cancel-key-deletion, if it is to be "
            "deleted" if key["KeyManager"] == "CUSTOMER" else "encrypt with a key of your own",
        )  # fmt: skip
        if key["KeyManager"] == "CUSTOMER":
            yield judged(
                "R18", f"rotation of the key of the {what}",
                found=clients("kms").get_key_rotation_status(KeyId=name)["KeyRotationEnabled"],
                needed=True, mend=f"aws kms enable-key-rotation --key-id {name}",
            )  # fmt: skip
            policy = clients("kms").get_key_policy(KeyId=name, PolicyName="default")["Policy"]
            yield judged(
                "R18", f"whom the policy of the key of the {what} lets in without a condition",
                found=opened(policy) or NOBODY, needed=NOBODY,
                mend=f"aws kms put-key-policy --key-id {name} --policy-name default with the "
                "template's policy",
            )  # fmt: skip
    arns = [key["Arn"] for key in described.values() if key]
    if len(arns) == 2:
        yield judged(
            "R18", "keys of database and audit bucket",
            found="separate" if arns[0] != arns[1] else "one and the same", needed="separate",
            mend="give the bucket a key of its own (R10)",
        )  # fmt: skip


def instance(clients: Clients, name: str) -> Item:
    """As DescribeDBInstances tells it."""
    found: Item
    (found,) = clients("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    return found


def encrypted(clients: Clients, requirement: str, what: str, key: str | None, mend: str) -> Finding:
    """Whether something is under a customer-managed key; which one, is told.

    Args:
        key: id, ARN or alias; nothing where AWS says none.
    """
    if not key:
        found, held = "without a key of ours", False
    else:
        described = clients("kms").describe_key(KeyId=key)["KeyMetadata"]
        held = described["KeyManager"] == "CUSTOMER"
        found = f"under {described['KeyId']} ({described.get('Description') or 'no description'})"
        if not held:
            found = f"under AWS's own key {described['KeyId']}"
    return judged(
        requirement, f"encryption: {what}", found=found, needed=_OWN_KEY, held=held, mend=mend
    )


def bucket_key(clients: Clients, name: str) -> str:
    """The key of a bucket's default encryption; nothing where it is S3's own."""
    found = _of_bucket(clients("s3").get_bucket_encryption, name)
    rules = found.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    defaults = [each.get("ApplyServerSideEncryptionByDefault", {}) for each in rules]
    return next((each["KMSMasterKeyID"] for each in defaults if "KMSMasterKeyID" in each), "")


def _kept(url: str, attributes: Item, what: str) -> Finding:
    seconds = int(attributes["MessageRetentionPeriod"])
    return judged(
        "R11", f"messages of the {what} are kept", found=f"{seconds / 86_400:g} days",
        needed="14 days", held=seconds == _QUEUE_SECONDS,
        mend=f"aws sqs set-queue-attributes --queue-url {url} --attributes "
        f"MessageRetentionPeriod={_QUEUE_SECONDS}",
    )  # fmt: skip


def _attributes(sqs: Any, url: str) -> Item:
    found: Item = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return found


def _is_of_all(rule: Item) -> bool:
    """Whether a lifecycle rule names no part of the objects."""
    narrowed = {**rule.get("Filter", {}), "Prefix": rule.get("Prefix", "")}
    return not any((rule.get("Filter", {}).get("Prefix"), *narrowed.values()))


def _period(retention: Item) -> str:
    return next(
        f"{retention[unit]} {unit.lower()}" for unit in ("Days", "Years") if unit in retention
    )


def _of_bucket(ask: Callable[..., Item], name: str) -> Item:
    """A configuration; empty where S3 says that there is none."""
    found = or_none(
        partial(ask, Bucket=name),
        "NoSuchBucketPolicy",
        "NoSuchLifecycleConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "ObjectLockConfigurationNotFoundError",
        "ServerSideEncryptionConfigurationNotFoundError",
    )
    return found or {}
