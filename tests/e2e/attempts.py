"""What a function's role must not let it do, unless the function is for that: one table.

Each attempt would do harm, or tell what is none of the function's business, if it were let. What
some function is let is asked for in a way that changes nothing: with a condition that does not
hold, without a message, as a dry run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

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
        client, outputs = production.environment.client, production.deployment.outputs
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
    yield from _on_history(to)
    yield from _on_the_audit_trail(to)
    yield from _on_queues_and_topic(to)
    yield from _on_keys_and_secrets(to)
    yield from _for_rights(to)
    yield from _on_functions_and_api(to)
    yield from _on_the_ledger()
    yield from _on_the_network(to)
    yield from _on_observability(to)
    yield from _elsewhere(to)


def _on_history(to: Targets) -> Iterator[Attempt]:
    table = {"TableName": to.table}
    key = {**table, "Key": ITEM}
    change = {
        "UpdateExpression": "SET amount = :amount",
        "ExpressionAttributeValues": {":amount": {"N": "1"}},
    }

    def of(what: str, operation: str, action: str, arguments: Arguments) -> Attempt:
        return Attempt(what, f"dynamodb:{action}", "dynamodb", operation, arguments)

    yield of("read an item", "get_item", "GetItem", key)
    yield of("read items in a batch", "batch_get_item", "BatchGetItem", _batch(to, Keys=[ITEM]))
    yield of(
        "read a payment's history",
        "query",
        "Query",
        {
            **table,
            "KeyConditionExpression": "transaction_id = :id",
            "ExpressionAttributeValues": {":id": {"S": "probe"}},
        },
    )
    yield of("read all payments", "scan", "Scan", table)
    yield of("add an item", "put_item", "PutItem", _item(to))
    yield of("change an item", "update_item", "UpdateItem", {**key, **change})
    yield of("delete an item", "delete_item", "DeleteItem", key)
    yield of(
        "delete items in a batch",
        "batch_write_item",
        "BatchWriteItem",
        _batch_write(to, {"DeleteRequest": {"Key": ITEM}}),
    )
    yield of(
        "replace items in a batch",
        "batch_write_item",
        "BatchWriteItem",
        _batch_write(to, {"PutRequest": {"Item": ITEM}}),
    )
    yield of(
        "delete an item in a transaction",
        "transact_write_items",
        "DeleteItem",
        {"TransactItems": [{"Delete": key}]},
    )
    yield of(
        "change an item in a transaction",
        "transact_write_items",
        "UpdateItem",
        {"TransactItems": [{"Update": {**key, **change}}]},
    )
    for verb, template in {
        "Delete": 'DELETE FROM "%s" WHERE transaction_id=\'probe\' AND "timestamp"=0',
        "Update": 'UPDATE "%s" SET a=1 WHERE transaction_id=\'probe\' AND "timestamp"=0',
        "Insert": "INSERT INTO \"%s\" VALUE {'transaction_id': 'probe', 'timestamp': 0}",
        "Select": 'SELECT * FROM "%s"',
    }.items():
        what, statement = f"{verb.lower()} in PartiQL", {"Statement": template % to.table}
        yield of(what, "execute_statement", f"PartiQL{verb}", statement)
    yield of("delete the table", "delete_table", "DeleteTable", table)
    yield of(
        "let items expire",
        "update_time_to_live",
        "UpdateTimeToLive",
        {**table, "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "timestamp"}},
    )
    yield of(
        "end point-in-time recovery",
        "update_continuous_backups",
        "UpdateContinuousBackups",
        {**table, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False}},
    )
    yield of(
        "end the stream",
        "update_table",
        "UpdateTable",
        {**table, "StreamSpecification": {"StreamEnabled": False}},
    )
    yield of(
        "copy the table",
        "export_table_to_point_in_time",
        "ExportTableToPointInTime",
        {"TableArn": to.table_arn, "S3Bucket": "elsewhere"},
    )
    yield of("read other tables", "scan", "Scan", {"TableName": "another-table"})
    yield of("list the tables", "list_tables", "ListTables", {})
    streams = "dynamodbstreams"
    yield Attempt("find the stream", "dynamodb:ListStreams", streams, "list_streams", table)
    yield Attempt(
        "look at the stream",
        "dynamodb:DescribeStream",
        streams,
        "describe_stream",
        {"StreamArn": to.stream},
    )


def _item(to: Targets) -> Arguments:
    condition = "attribute_exists(transaction_id)"
    return {"TableName": to.table, "Item": ITEM, "ConditionExpression": condition}


def _batch(to: Targets, **request: Any) -> Arguments:
    return {"RequestItems": {to.table: request}}


def _batch_write(to: Targets, request: Arguments) -> Arguments:
    return {"RequestItems": {to.table: [request]}}


def _on_the_audit_trail(to: Targets) -> Iterator[Attempt]:
    bucket = {"Bucket": to.bucket}
    item = {**bucket, "Key": OBJECT_KEY}

    def of(what: str, operation: str, action: str, arguments: Arguments) -> Attempt:
        return Attempt(what, f"s3:{action}", "s3", operation, arguments)

    yield of("list the audit objects", "list_objects_v2", "ListBucket", bucket)
    yield of("read an audit object", "get_object", "GetObject", item)
    yield of("overwrite an audit object", "put_object", "PutObject", {**item, "Body": "x"})
    yield of(
        "write beside the audit trail",
        "put_object",
        "PutObject",
        {**bucket, "Key": "x", "Body": ""},
    )
    yield of("delete an audit object", "delete_object", "DeleteObject", item)
    yield of(
        "delete a version of an audit object",
        "delete_object",
        "DeleteObjectVersion",
        {**item, "VersionId": "1"},
    )
    yield of(
        "delete audit objects in a batch",
        "delete_objects",
        "DeleteObject",
        {**bucket, "Delete": {"Objects": [{"Key": OBJECT_KEY}]}},
    )
    yield of(
        "shorten a retention",
        "put_object_retention",
        "PutObjectRetention",
        {**item, "Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": "2026-01-01T00:00:00Z"}},
    )
    yield of(
        "delete a version in spite of its retention",
        "delete_object",
        "DeleteObjectVersion",
        {**item, "VersionId": "1", "BypassGovernanceRetention": True},
    )
    yield of(
        "lift a legal hold",
        "put_object_legal_hold",
        "PutObjectLegalHold",
        {**item, "LegalHold": {"Status": "OFF"}},
    )
    yield of(
        "open an audit object", "put_object_acl", "PutObjectAcl", {**item, "ACL": "public-read"}
    )
    yield of("delete the audit bucket", "delete_bucket", "DeleteBucket", bucket)
    yield of(
        "change the bucket's policy",
        "put_bucket_policy",
        "PutBucketPolicy",
        {**bucket, "Policy": NOTHING},
    )
    yield of("delete the bucket's policy", "delete_bucket_policy", "DeleteBucketPolicy", bucket)
    yield of(
        "let audit objects expire",
        "put_bucket_lifecycle_configuration",
        "PutLifecycleConfiguration",
        {
            **bucket,
            "LifecycleConfiguration": {
                "Rules": [
                    {"Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
                ]
            },
        },
    )
    yield of(
        "end the bucket's versions",
        "put_bucket_versioning",
        "PutBucketVersioning",
        {**bucket, "VersioningConfiguration": {"Status": "Suspended"}},
    )
    yield of(
        "end the bucket's lock",
        "put_object_lock_configuration",
        "PutBucketObjectLockConfiguration",
        {**bucket, "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}},
    )
    yield of(
        "change the bucket's encryption",
        "put_bucket_encryption",
        "PutEncryptionConfiguration",
        {
            **bucket,
            "ServerSideEncryptionConfiguration": {
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        },
    )
    yield of("list the buckets", "list_buckets", "ListAllMyBuckets", {})


def _on_queues_and_topic(to: Targets) -> Iterator[Attempt]:
    for name, url in {
        "retry queue": to.retry_queue,
        "dead-letter queue": to.dead_letter_queue,
        "queue of audit failures": to.audit_failure_queue,
        "queue of failed invocations": to.failed_invocations_queue,
    }.items():
        queue = {"QueueUrl": url}
        for verb, operation, action, more in (
            ("look at", "get_queue_attributes", "GetQueueAttributes", {"AttributeNames": ["All"]}),
            ("read", "receive_message", "ReceiveMessage", {"VisibilityTimeout": 0}),
            ("send to", "send_message", "SendMessage", {"MessageBody": ""}),
            ("take from", "delete_message", "DeleteMessage", {"ReceiptHandle": "x"}),
            ("empty", "purge_queue", "PurgeQueue", {}),
            ("open", "set_queue_attributes", "SetQueueAttributes", {"Attributes": {"Policy": ""}}),
            ("delete", "delete_queue", "DeleteQueue", {}),
        ):
            arguments = {**queue, **more}
            yield Attempt(f"{verb} the {name}", f"sqs:{action}", "sqs", operation, arguments)
    topic = {"TopicArn": to.topic}
    message = {**topic, "Message": "x"}
    yield Attempt("publish an alert", "sns:Publish", "sns", "publish", message)
    yield Attempt("delete the alerts", "sns:DeleteTopic", "sns", "delete_topic", topic)
    yield Attempt(
        "subscribe to the alerts",
        "sns:Subscribe",
        "sns",
        "subscribe",
        {**topic, "Protocol": "email", "Endpoint": "somebody@example.com"},
    )


def _on_keys_and_secrets(to: Targets) -> Iterator[Attempt]:
    key = {"KeyId": to.key}
    for what, operation, action, arguments in (
        ("encrypt", "encrypt", "Encrypt", {**key, "Plaintext": "x"}),
        ("decrypt", "decrypt", "Decrypt", {**key, "CiphertextBlob": "x"}),
        (
            "make a data key",
            "generate_data_key",
            "GenerateDataKey",
            {**key, "KeySpec": "AES_256"},
        ),
        ("disable a key", "disable_key", "DisableKey", key),
        ("delete a key", "schedule_key_deletion", "ScheduleKeyDeletion", key),
        ("end a key's rotation", "disable_key_rotation", "DisableKeyRotation", key),
        (
            "change a key's policy",
            "put_key_policy",
            "PutKeyPolicy",
            {**key, "PolicyName": "default", "Policy": NOTHING},
        ),
        (
            "grant a key's use",
            "create_grant",
            "CreateGrant",
            {
                **key,
                "GranteePrincipal": "arn:aws:iam::999999999999:root",
                "Operations": ["Decrypt"],
            },
        ),
    ):
        yield Attempt(what, f"kms:{action}", "kms", operation, arguments)
    secret = {"SecretId": to.secret}
    for what, operation, action, more in (
        ("read the master password", "get_secret_value", "GetSecretValue", {}),
        ("change the master password", "put_secret_value", "PutSecretValue", {"SecretString": "x"}),
        ("delete the master password", "delete_secret", "DeleteSecret", {}),
    ):
        yield Attempt(
            what, f"secretsmanager:{action}", "secretsmanager", operation, {**secret, **more}
        )
    yield Attempt(
        "list the secrets", "secretsmanager:ListSecrets", "secretsmanager", "list_secrets", {}
    )


def _for_rights(to: Targets) -> Iterator[Attempt]:
    role = {"RoleName": to.role}
    for what, operation, action, arguments in (
        ("make a user", "create_user", "CreateUser", {"UserName": "probe"}),
        ("make an access key", "create_access_key", "CreateAccessKey", {"UserName": "probe"}),
        (
            "make a role",
            "create_role",
            "CreateRole",
            {"RoleName": "probe", "AssumeRolePolicyDocument": ANYBODY},
        ),
        (
            "attach a policy to a role",
            "attach_role_policy",
            "AttachRolePolicy",
            {**role, "PolicyArn": ADMINISTRATOR},
        ),
        (
            "write a role's policy",
            "put_role_policy",
            "PutRolePolicy",
            {**role, "PolicyName": "x", "PolicyDocument": NOTHING},
        ),
        (
            "let others take a role",
            "update_assume_role_policy",
            "UpdateAssumeRolePolicy",
            {**role, "PolicyDocument": ANYBODY},
        ),
        (
            "lift a role's boundary",
            "delete_role_permissions_boundary",
            "DeleteRolePermissionsBoundary",
            role,
        ),
        ("read a role", "get_role", "GetRole", role),
        ("list the roles", "list_roles", "ListRoles", {}),
    ):
        yield Attempt(what, f"iam:{action}", "iam", operation, arguments)
    arn = f"arn:aws:iam::{to.table_arn.split(':')[4]}:role/{to.role}"
    yield Attempt(
        "take another role",
        "sts:AssumeRole",
        "sts",
        "assume_role",
        {"RoleArn": arn, "RoleSessionName": "probe"},
    )


def _on_functions_and_api(to: Targets) -> Iterator[Attempt]:
    function = {"FunctionName": "payment-processor"}
    for what, operation, action, more in (
        ("call a function", "invoke", "InvokeFunction", {}),
        ("read a function's code", "get_function", "GetFunction", {}),
        (
            "replace a function's code",
            "update_function_code",
            "UpdateFunctionCode",
            {"ZipFile": "x"},
        ),
        (
            "change a function's variables",
            "update_function_configuration",
            "UpdateFunctionConfiguration",
            {"Environment": {"Variables": {}}},
        ),
        (
            "let others call a function",
            "add_permission",
            "AddPermission",
            {"StatementId": "x", "Action": "lambda:InvokeFunction", "Principal": "*"},
        ),
        (
            "stop a function",
            "put_function_concurrency",
            "PutFunctionConcurrency",
            {"ReservedConcurrentExecutions": 0},
        ),
        ("delete a function", "delete_function", "DeleteFunction", {}),
    ):
        yield Attempt(what, f"lambda:{action}", "lambda", operation, {**function, **more})
    yield Attempt(
        "ask the operators' reader of the ledger",
        "lambda:InvokeFunction",
        "lambda",
        "invoke",
        {"FunctionName": to.ledger_reader, "Payload": "{}"},
    )
    arn = f"arn:aws:iam::{to.table_arn.split(':')[4]}:role/{to.role}"
    yield Attempt(
        "make a function with another's role",
        "lambda:CreateFunction",
        "lambda",
        "create_function",
        {
            "FunctionName": "probe-of-a-probe",
            "Role": arn,
            "Runtime": "python3.14",
            "Handler": "index.handle",
            "Code": {"ZipFile": "x"},
        },
    )
    api_key = {"apiKey": to.api_key, "includeValue": True}
    yield Attempt("read the API key", "apigateway:GET", "apigateway", "get_api_key", api_key)
    yield Attempt("list the API keys", "apigateway:GET", "apigateway", "get_api_keys", {})
    yield Attempt(
        "make an API key", "apigateway:POST", "apigateway", "create_api_key", {"name": "x"}
    )
    yield Attempt(
        "delete the API",
        "apigateway:DELETE",
        "apigateway",
        "delete_rest_api",
        {"restApiId": to.rest_api},
    )


def _on_the_ledger() -> Iterator[Attempt]:
    instance = {"DBInstanceIdentifier": "payments-ledger"}
    for what, operation, action, more in (
        (
            "set the master password",
            "modify_db_instance",
            "ModifyDBInstance",
            {"MasterUserPassword": "of-the-probe"},
        ),
        (
            "delete the ledger",
            "delete_db_instance",
            "DeleteDBInstance",
            {"SkipFinalSnapshot": True},
        ),
        (
            "copy the ledger",
            "create_db_snapshot",
            "CreateDBSnapshot",
            {"DBSnapshotIdentifier": "probe"},
        ),
        ("restart the ledger", "reboot_db_instance", "RebootDBInstance", {}),
        ("stop the ledger", "stop_db_instance", "StopDBInstance", {}),
    ):
        yield Attempt(what, f"rds:{action}", "rds", operation, {**instance, **more})
    yield Attempt(
        "look for databases", "rds:DescribeDBInstances", "rds", "describe_db_instances", {}
    )


def _on_the_network(to: Targets) -> Iterator[Attempt]:
    world = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    default = {"GroupId": to.default_group, "IpPermissions": [world]}
    other = {"GroupId": to.other_group, "IpPermissions": [world]}
    for what, operation, action, arguments in (
        (
            "open the default group",
            "authorize_security_group_ingress",
            "AuthorizeSecurityGroupIngress",
            default,
        ),
        (
            "open a group inwards",
            "authorize_security_group_ingress",
            "AuthorizeSecurityGroupIngress",
            other,
        ),
        (
            "open a group outwards",
            "authorize_security_group_egress",
            "AuthorizeSecurityGroupEgress",
            other,
        ),
        (
            "close the default group",
            "revoke_security_group_ingress",
            "RevokeSecurityGroupIngress",
            default,
        ),
        (
            "close a group inwards",
            "revoke_security_group_ingress",
            "RevokeSecurityGroupIngress",
            other,
        ),
        (
            "close a group outwards",
            "revoke_security_group_egress",
            "RevokeSecurityGroupEgress",
            other,
        ),
        (
            "delete a group",
            "delete_security_group",
            "DeleteSecurityGroup",
            {"GroupId": to.other_group},
        ),
        ("read the groups", "describe_security_group_rules", "DescribeSecurityGroupRules", {}),
        ("look for subnets", "describe_subnets", "DescribeSubnets", {}),
        (
            "make a network interface",
            "create_network_interface",
            "CreateNetworkInterface",
            {"SubnetId": to.subnet},
        ),
        (
            "start a server",
            "run_instances",
            "RunInstances",
            {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1},
        ),
    ):
        yield Attempt(what, f"ec2:{action}", "ec2", operation, {**arguments, "DryRun": True})


def _on_observability(to: Targets) -> Iterator[Attempt]:
    alarms, group = {"AlarmNames": [to.alarm]}, {"logGroupName": "/aws/lambda/payment-processor"}
    yield Attempt(
        "delete an alarm", "cloudwatch:DeleteAlarms", "cloudwatch", "delete_alarms", alarms
    )
    yield Attempt(
        "silence an alarm",
        "cloudwatch:DisableAlarmActions",
        "cloudwatch",
        "disable_alarm_actions",
        alarms,
    )
    for what, operation, action, more in (
        ("delete a log", "delete_log_group", "DeleteLogGroup", {}),
        ("shorten a log", "put_retention_policy", "PutRetentionPolicy", {"retentionInDays": 1}),
        ("read a log", "filter_log_events", "FilterLogEvents", {}),
        ("forge a log", "create_log_stream", "CreateLogStream", {"logStreamName": "probe"}),
    ):
        yield Attempt(what, f"logs:{action}", "logs", operation, {**group, **more})
    # By its id, as the functions name it: a name stands for every stack that ever had it.
    stack = {"StackName": to.stack}
    for what, operation, action in (
        ("read the stack", "describe_stacks", "DescribeStacks"),
        ("delete the stack", "delete_stack", "DeleteStack"),
    ):
        yield Attempt(what, f"cloudformation:{action}", "cloudformation", operation, stack)


def _elsewhere(to: Targets) -> Iterator[Attempt]:
    """What some functions may do here, in another region."""
    for what, action, service, operation, arguments in (
        ("add an item elsewhere", "dynamodb:PutItem", "dynamodb", "put_item", _item(to)),
        (
            "send to a queue elsewhere",
            "sqs:SendMessage",
            "sqs",
            "send_message",
            {"QueueUrl": to.retry_queue.replace("us-east-1", ELSEWHERE), "MessageBody": ""},
        ),
        (
            "find streams elsewhere",
            "dynamodb:ListStreams",
            "dynamodbstreams",
            "list_streams",
            {"TableName": to.table},
        ),
        (
            "read groups elsewhere",
            "ec2:DescribeSecurityGroupRules",
            "ec2",
            "describe_security_group_rules",
            {},
        ),
    ):
        yield Attempt(what, action, service, operation, arguments, region=ELSEWHERE)
