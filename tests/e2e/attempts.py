"""What a function's role must not let it do, unless the function is for that: one table.

Each attempt would do harm, or tell what is none of the function's business, if it were let. What
some function is let is asked for in a way that changes nothing: with a condition that does not
hold, without a message, as a dry run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore import xform_name

from local.deployment import STACK
from tests.deployment import Production
from tests.probe import Call, document

ITEM = {"transaction_id": {"S": "probe"}, "timestamp": {"N": "0"}}
OBJECT_KEY = "year=2026/month=01/day=01/hour=00/probe"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
ANYBODY = document({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"})
NOTHING = document()
ELSEWHERE = "eu-west-1"

Arguments = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What there is in the deployed stacks, by name or ARN."""

    table: str
    table_arn: str
    stream: str
    bucket: str
    retry_queue: str
    dead_letter_queue: str
    audit_failure_queue: str
    failed_invocations_queue: str
    topic: str
    secret: str
    key: str
    role: str
    rest_api: str
    api_key: str
    alarm: str
    stack: str
    ledger_reader: str
    default_group: str
    other_group: str
    subnet: str

    @classmethod
    def find(cls, production: Production) -> Targets:
        """Read them as the account's administrator."""
        client, outputs = production.client, production.outputs
        table = client("dynamodb").describe_table(TableName=outputs["TransactionsTableName"])
        queues = client("sqs").list_queues()["QueueUrls"]
        groups = client("ec2").describe_security_groups()["SecurityGroups"]
        other = next(group for group in groups if group["GroupName"] != "default")
        (default,) = (
            group
            for group in groups
            if (group["VpcId"], group["GroupName"]) == (other["VpcId"], "default")
        )
        subnets = client("ec2").describe_subnets()["Subnets"]
        return cls(
            table=table["Table"]["TableName"],
            table_arn=table["Table"]["TableArn"],
            stream=table["Table"]["LatestStreamArn"],
            bucket=outputs["AuditBucketName"],
            retry_queue=outputs["RetryQueueUrl"],
            dead_letter_queue=_the_one("RetryDeadLetter", queues),
            audit_failure_queue=_the_one("AuditFailure", queues),
            failed_invocations_queue=_the_one("FailedInvocations", queues),
            topic=outputs["AlertsTopicArn"],
            secret=outputs["LedgerSecretArn"],
            key=client("kms").describe_key(KeyId="alias/payments/audit")["KeyMetadata"]["Arn"],
            role=str(production.function("payment-validator")["Role"]).rpartition("/")[2],
            # https://<id>.execute-api.<region>.amazonaws.com/<stage>/
            rest_api=outputs["ApiUrl"].removeprefix("https://").partition(".")[0],
            api_key=outputs["ApiKeyId"],
            alarm=client("cloudwatch").describe_alarms()["MetricAlarms"][0]["AlarmName"],
            stack=client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["StackId"],
            ledger_reader=outputs["LedgerReaderName"],
            default_group=default["GroupId"],
            other_group=other["GroupId"],
            subnet=next(
                subnet["SubnetId"] for subnet in subnets if subnet["VpcId"] == other["VpcId"]
            ),
        )


def _the_one(part: str, names: list[str]) -> str:
    (found,) = [name for name in names if part in name]
    return found


@dataclass(frozen=True)
class Attempt:
    """A call to AWS, and the action that IAM must know it by."""

    what: str
    action: str
    service: str
    operation: str
    arguments: Arguments
    region: str | None = None

    @property
    def call(self) -> Call:
        return [self.service, self.operation, self.arguments, self.region]


def attempts(to: Targets) -> Iterator[Attempt]:
    for service, rows in (
        ("dynamodb", _on_history(to)),
        ("dynamodbstreams", _on_the_stream(to)),
        ("s3", _on_the_audit_trail(to)),
        ("sqs", _on_queues(to)),
        ("sns", _on_the_topic(to)),
        ("kms", _on_keys(to)),
        ("secretsmanager", _on_secrets(to)),
        ("iam", _for_rights(to)),
        ("sts", _for_another_role(to)),
        ("lambda", _on_functions(to)),
        ("apigateway", _on_the_api(to)),
        ("rds", _on_the_ledger()),
        ("ec2", _on_the_network(to)),
        ("cloudwatch", _on_alarms(to)),
        ("logs", _on_logs()),
        ("cloudformation", _on_the_stack(to)),
    ):
        for row in rows:
            yield _attempt(service, *row)
    yield from _elsewhere(to)


Rows = Iterator[tuple[Any, ...]]
"""What, the action, the arguments; and the operation, if it is not called as the action is."""


def _attempt(
    service: str,
    what: str,
    action: str,
    arguments: Arguments,
    operation: str = "",
    region: str | None = None,
) -> Attempt:
    prefix = {"dynamodbstreams": "dynamodb"}.get(service, service)
    called = operation or xform_name(action)
    return Attempt(what, f"{prefix}:{action}", service, called, arguments, region)


def _on_history(to: Targets) -> Rows:
    table = {"TableName": to.table}
    key = {**table, "Key": ITEM}
    change = {
        "UpdateExpression": "SET amount = :amount",
        "ExpressionAttributeValues": {":amount": {"N": "1"}},
    }
    of_payment = {
        "KeyConditionExpression": "transaction_id = :id",
        "ExpressionAttributeValues": {":id": {"S": "probe"}},
    }
    yield "read an item", "GetItem", key
    yield "read items in a batch", "BatchGetItem", _batch(to, {"Keys": [ITEM]})
    yield "read a payment's history", "Query", {**table, **of_payment}
    yield "read all payments", "Scan", table
    yield "add an item", "PutItem", _item(to)
    yield "change an item", "UpdateItem", {**key, **change}
    yield "delete an item", "DeleteItem", key
    deletion, replacement = {"DeleteRequest": {"Key": ITEM}}, {"PutRequest": {"Item": ITEM}}
    yield "delete items in a batch", "BatchWriteItem", _batch(to, [deletion])
    yield "replace items in a batch", "BatchWriteItem", _batch(to, [replacement])
    for what, action, item in (
        ("delete an item", "DeleteItem", {"Delete": key}),
        ("change an item", "UpdateItem", {"Update": {**key, **change}}),
    ):
        together = {"TransactItems": [item]}
        yield f"{what} in a transaction", action, together, "transact_write_items"
    for verb, template in {
        "Delete": 'DELETE FROM "%s" WHERE transaction_id=\'probe\' AND "timestamp"=0',
        "Update": 'UPDATE "%s" SET a=1 WHERE transaction_id=\'probe\' AND "timestamp"=0',
        "Insert": "INSERT INTO \"%s\" VALUE {'transaction_id': 'probe', 'timestamp': 0}",
        "Select": 'SELECT * FROM "%s"',
    }.items():
        statement = {"Statement": template % to.table}
        yield f"{verb.lower()} in PartiQL", f"PartiQL{verb}", statement, "execute_statement"
    yield "delete the table", "DeleteTable", table
    for what, action, setting in (
        (
            "let items expire",
            "UpdateTimeToLive",
            {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": "timestamp"}},
        ),
        (
            "end point-in-time recovery",
            "UpdateContinuousBackups",
            {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False}},
        ),
        ("end the stream", "UpdateTable", {"StreamSpecification": {"StreamEnabled": False}}),
    ):
        yield what, action, {**table, **setting}
    copied = {"TableArn": to.table_arn, "S3Bucket": "elsewhere"}
    yield "copy the table", "ExportTableToPointInTime", copied
    yield "read other tables", "Scan", {"TableName": "another-table"}
    yield "list the tables", "ListTables", {}


def _on_the_stream(to: Targets) -> Rows:
    yield "find the stream", "ListStreams", {"TableName": to.table}
    yield "look at the stream", "DescribeStream", {"StreamArn": to.stream}


def _item(to: Targets) -> Arguments:
    condition = "attribute_exists(transaction_id)"
    return {"TableName": to.table, "Item": ITEM, "ConditionExpression": condition}


def _batch(to: Targets, request: Any) -> Arguments:
    return {"RequestItems": {to.table: request}}


def _on_the_audit_trail(to: Targets) -> Rows:
    bucket = {"Bucket": to.bucket}
    item = {**bucket, "Key": OBJECT_KEY}
    version = {**item, "VersionId": "1"}
    objects = {"Objects": [{"Key": OBJECT_KEY}]}
    past = {"Mode": "GOVERNANCE", "RetainUntilDate": "2026-01-01T00:00:00Z"}
    expiry = {"Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    amazons = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    yield "list the audit objects", "ListBucket", bucket, "list_objects_v2"
    yield "read an audit object", "GetObject", item
    yield "overwrite an audit object", "PutObject", {**item, "Body": "x"}
    yield "write beside the audit trail", "PutObject", {**bucket, "Key": "x", "Body": ""}
    yield "delete an audit object", "DeleteObject", item
    for what, arguments in (
        ("delete a version of an audit object", version),
        (
            "delete a version in spite of its retention",
            {**version, "BypassGovernanceRetention": True},
        ),
    ):
        yield what, "DeleteObjectVersion", arguments, "delete_object"
    in_a_batch = {**bucket, "Delete": objects}
    yield "delete audit objects in a batch", "DeleteObject", in_a_batch, "delete_objects"
    yield "shorten a retention", "PutObjectRetention", {**item, "Retention": past}
    yield "lift a legal hold", "PutObjectLegalHold", {**item, "LegalHold": {"Status": "OFF"}}
    yield "open an audit object", "PutObjectAcl", {**item, "ACL": "public-read"}
    yield "delete the audit bucket", "DeleteBucket", bucket
    yield "change the bucket's policy", "PutBucketPolicy", {**bucket, "Policy": NOTHING}
    yield "delete the bucket's policy", "DeleteBucketPolicy", bucket
    for what, action, operation, setting in (
        (
            "let audit objects expire",
            "PutLifecycleConfiguration",
            "put_bucket_lifecycle_configuration",
            {"LifecycleConfiguration": {"Rules": [expiry]}},
        ),
        (
            "end the bucket's versions",
            "PutBucketVersioning",
            "put_bucket_versioning",
            {"VersioningConfiguration": {"Status": "Suspended"}},
        ),
        (
            "end the bucket's lock",
            "PutBucketObjectLockConfiguration",
            "put_object_lock_configuration",
            {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}},
        ),
        (
            "change the bucket's encryption",
            "PutEncryptionConfiguration",
            "put_bucket_encryption",
            {"ServerSideEncryptionConfiguration": {"Rules": [amazons]}},
        ),
    ):
        yield what, action, {**bucket, **setting}, operation
    yield "list the buckets", "ListAllMyBuckets", {}, "list_buckets"


def _on_queues(to: Targets) -> Rows:
    for name, url in {
        "retry queue": to.retry_queue,
        "dead-letter queue": to.dead_letter_queue,
        "queue of audit failures": to.audit_failure_queue,
        "queue of failed invocations": to.failed_invocations_queue,
    }.items():
        for verb, action, more in (
            ("look at", "GetQueueAttributes", {"AttributeNames": ["All"]}),
            ("read", "ReceiveMessage", {"VisibilityTimeout": 0}),
            ("send to", "SendMessage", {"MessageBody": ""}),
            ("take from", "DeleteMessage", {"ReceiptHandle": "x"}),
            ("empty", "PurgeQueue", {}),
            ("open", "SetQueueAttributes", {"Attributes": {"Policy": ""}}),
            ("delete", "DeleteQueue", {}),
        ):
            yield f"{verb} the {name}", action, {"QueueUrl": url, **more}


def _on_the_topic(to: Targets) -> Rows:
    topic = {"TopicArn": to.topic}
    mail = {"Protocol": "email", "Endpoint": "somebody@example.com"}
    yield "publish an alert", "Publish", {**topic, "Message": "x"}
    yield "delete the alerts", "DeleteTopic", topic
    yield "subscribe to the alerts", "Subscribe", {**topic, **mail}


def _on_keys(to: Targets) -> Rows:
    grant = {"GranteePrincipal": "arn:aws:iam::999999999999:root", "Operations": ["Decrypt"]}
    for what, action, more in (
        ("encrypt", "Encrypt", {"Plaintext": "x"}),
        ("decrypt", "Decrypt", {"CiphertextBlob": "x"}),
        ("make a data key", "GenerateDataKey", {"KeySpec": "AES_256"}),
        ("disable a key", "DisableKey", {}),
        ("delete a key", "ScheduleKeyDeletion", {}),
        ("end a key's rotation", "DisableKeyRotation", {}),
        ("change a key's policy", "PutKeyPolicy", {"PolicyName": "default", "Policy": NOTHING}),
        ("grant a key's use", "CreateGrant", grant),
    ):
        yield what, action, {"KeyId": to.key, **more}


def _on_secrets(to: Targets) -> Rows:
    secret = {"SecretId": to.secret}
    yield "read the master password", "GetSecretValue", secret
    yield "change the master password", "PutSecretValue", {**secret, "SecretString": "x"}
    yield "delete the master password", "DeleteSecret", secret
    yield "list the secrets", "ListSecrets", {}


def _for_rights(to: Targets) -> Rows:
    role = {"RoleName": to.role}
    trusting = {"RoleName": "probe", "AssumeRolePolicyDocument": ANYBODY}
    own = {**role, "PolicyName": "x", "PolicyDocument": NOTHING}
    yield "make a user", "CreateUser", {"UserName": "probe"}
    yield "make an access key", "CreateAccessKey", {"UserName": "probe"}
    yield "make a role", "CreateRole", trusting
    yield "attach a policy to a role", "AttachRolePolicy", {**role, "PolicyArn": ADMINISTRATOR}
    yield "write a role's policy", "PutRolePolicy", own
    yield "let others take a role", "UpdateAssumeRolePolicy", {**role, "PolicyDocument": ANYBODY}
    yield "lift a role's boundary", "DeleteRolePermissionsBoundary", role
    yield "read a role", "GetRole", role
    yield "list the roles", "ListRoles", {}


def _arn(to: Targets) -> str:
    return f"arn:aws:iam::{to.table_arn.split(':')[4]}:role/{to.role}"


def _for_another_role(to: Targets) -> Rows:
    yield "take another role", "AssumeRole", {"RoleArn": _arn(to), "RoleSessionName": "probe"}


def _on_functions(to: Targets) -> Rows:
    by_all = {"StatementId": "x", "Action": "lambda:InvokeFunction", "Principal": "*"}
    for what, action, operation, more in (
        ("call a function", "InvokeFunction", "invoke", {}),
        ("read a function's code", "GetFunction", "", {}),
        ("replace a function's code", "UpdateFunctionCode", "", {"ZipFile": "x"}),
        (
            "change a function's variables",
            "UpdateFunctionConfiguration",
            "",
            {"Environment": {"Variables": {}}},
        ),
        ("let others call a function", "AddPermission", "", by_all),
        ("stop a function", "PutFunctionConcurrency", "", {"ReservedConcurrentExecutions": 0}),
        ("delete a function", "DeleteFunction", "", {}),
    ):
        yield what, action, {"FunctionName": "payment-processor", **more}, operation
    asked = {"FunctionName": to.ledger_reader, "Payload": "{}"}
    yield "ask the operators' reader of the ledger", "InvokeFunction", asked, "invoke"
    made = {
        "FunctionName": "probe-of-a-probe",
        "Role": _arn(to),
        "Runtime": "python3.14",
        "Handler": "index.handle",
        "Code": {"ZipFile": "x"},
    }
    yield "make a function with another's role", "CreateFunction", made


def _on_the_api(to: Targets) -> Rows:
    key, api = {"apiKey": to.api_key, "includeValue": True}, {"restApiId": to.rest_api}
    yield "read the API key", "GET", key, "get_api_key"
    yield "list the API keys", "GET", {}, "get_api_keys"
    yield "make an API key", "POST", {"name": "x"}, "create_api_key"
    yield "delete the API", "DELETE", api, "delete_rest_api"


def _on_the_ledger() -> Rows:
    for what, action, more in (
        ("set the master password", "ModifyDBInstance", {"MasterUserPassword": "of-the-probe"}),
        ("delete the ledger", "DeleteDBInstance", {"SkipFinalSnapshot": True}),
        ("copy the ledger", "CreateDBSnapshot", {"DBSnapshotIdentifier": "probe"}),
        ("restart the ledger", "RebootDBInstance", {}),
        ("stop the ledger", "StopDBInstance", {}),
    ):
        yield what, action, {"DBInstanceIdentifier": "payments-ledger", **more}
    yield "look for databases", "DescribeDBInstances", {}


def _on_the_network(to: Targets) -> Rows:
    default, other = {"GroupId": to.default_group}, {"GroupId": to.other_group}
    world = {"IpPermissions": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]}
    server = {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1}
    for what, action, arguments in (
        ("open the default group", "AuthorizeSecurityGroupIngress", {**default, **world}),
        ("open a group inwards", "AuthorizeSecurityGroupIngress", {**other, **world}),
        ("open a group outwards", "AuthorizeSecurityGroupEgress", {**other, **world}),
        ("close the default group", "RevokeSecurityGroupIngress", {**default, **world}),
        ("close a group inwards", "RevokeSecurityGroupIngress", {**other, **world}),
        ("close a group outwards", "RevokeSecurityGroupEgress", {**other, **world}),
        ("delete a group", "DeleteSecurityGroup", other),
        ("read the groups", "DescribeSecurityGroupRules", {}),
        ("look for subnets", "DescribeSubnets", {}),
        ("make a network interface", "CreateNetworkInterface", {"SubnetId": to.subnet}),
        ("start a server", "RunInstances", server),
    ):
        yield what, action, {**arguments, "DryRun": True}


def _on_alarms(to: Targets) -> Rows:
    yield "delete an alarm", "DeleteAlarms", {"AlarmNames": [to.alarm]}
    yield "silence an alarm", "DisableAlarmActions", {"AlarmNames": [to.alarm]}


def _on_logs() -> Rows:
    for what, action, more in (
        ("delete a log", "DeleteLogGroup", {}),
        ("shorten a log", "PutRetentionPolicy", {"retentionInDays": 1}),
        ("read a log", "FilterLogEvents", {}),
        ("forge a log", "CreateLogStream", {"logStreamName": "probe"}),
    ):
        yield what, action, {"logGroupName": "/aws/lambda/payment-processor", **more}


def _on_the_stack(to: Targets) -> Rows:
    # By its id, as the functions name it: a name stands for every stack that ever had it.
    yield "read the stack", "DescribeStacks", {"StackName": to.stack}
    yield "delete the stack", "DeleteStack", {"StackName": to.stack}


def _elsewhere(to: Targets) -> Iterator[Attempt]:
    """What some functions may do here, in another region."""
    queue = to.retry_queue.replace("us-east-1", ELSEWHERE)
    message = {"QueueUrl": queue, "MessageBody": ""}
    for service, what, action, arguments in (
        ("dynamodb", "add an item elsewhere", "PutItem", _item(to)),
        ("sqs", "send to a queue elsewhere", "SendMessage", message),
        ("dynamodbstreams", "find streams elsewhere", "ListStreams", {"TableName": to.table}),
        ("ec2", "read groups elsewhere", "DescribeSecurityGroupRules", {}),
    ):
        yield _attempt(service, what, action, arguments, region=ELSEWHERE)
