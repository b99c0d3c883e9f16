"""Every requirement of the user, proven on the synthesized templates.

The numbers S1 to S6 and R1 to R19 are the user's; a test's name starts with the one it proves.
"""

from __future__ import annotations

import json
import re
import sys
from importlib import metadata
from typing import Any

import pytest
from payment_processor.retries import MAX_RECEIVES

from assurance.permissions.templates import Templates
from nested.compute import ComputeNestedStack
from nested.data import DataNestedStack
from nested.network import NetworkNestedStack
from nested.observability import ObservabilityNestedStack
from root_stack import PaymentsProd
from tests.synthesis import LAYERS, ROOT, Synthesized

PAYMENT_FUNCTIONS = ("payment-validator", "payment-processor", "audit-logger")


def function(synthesized: Synthesized, name: str) -> dict[str, Any]:
    return synthesized.only("AWS::Lambda::Function", FunctionName=name)


def statements(policy: dict[str, Any]) -> list[dict[str, Any]]:
    found = policy["PolicyDocument"]["Statement"]
    assert isinstance(found, list)
    return found


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# --- Shape ---


def test_s1_one_root_stack_owns_the_four_nested_stacks(
    synthesized: Synthesized, next_stack: PaymentsProd
) -> None:
    owned = {
        logical_id
        for layer, logical_id, _ in synthesized.resources("AWS::CloudFormation::Stack")
        if layer == "root"
    }
    assert owned == {
        "NetworkNestedStack",
        "DataNestedStack",
        "ComputeNestedStack",
        "ObservabilityNestedStack",
    }
    kinds = {type(child) for child in next_stack.node.children}
    assert {
        NetworkNestedStack,
        DataNestedStack,
        ComputeNestedStack,
        ObservabilityNestedStack,
    } <= kinds


def test_s1_outputs_tell_what_operators_and_clients_need(synthesized: Synthesized) -> None:
    assert {"ApiUrl", "ApiKeyId", "AlertsTopicArn", "DashboardName"} <= set(
        synthesized.root["Outputs"]
    )
    assert all(output["Description"] for output in synthesized.root["Outputs"].values())


def test_s2_production_is_one_deployable(synthesized: Synthesized) -> None:
    assert list(synthesized.stacks()) == ["PaymentsProd"]
    assert synthesized.stacks()["PaymentsProd"]["properties"]["terminationProtection"] is True


def test_s3_packages_are_the_ones_asked_for() -> None:
    pinned = (ROOT / "requirements.txt").read_text() + (ROOT / "requirements-dev.txt").read_text()
    for package in ("aws-cdk-lib", "constructs", "pytest", "boto3", "syrupy"):
        version = metadata.version(package)
        assert re.search(rf"^{package}=={re.escape(version)}\b", pinned, re.M), package


def test_s4_top_level_is_laid_out_as_asked() -> None:
    for name in ("app.py", "root_stack.py", "cdk.json", "requirements.txt"):
        assert (ROOT / name).is_file(), name
    for name in ("nested", "lambda_code", "tests", "snapshots"):
        assert (ROOT / name).is_dir(), name


def test_s5_every_template_has_its_snapshot() -> None:
    assert {file.stem for file in (ROOT / "snapshots").glob("*.json")} == {"root", *LAYERS}


def test_s6_layers_hold_their_own_kind_of_resource(synthesized: Synthesized) -> None:
    home = {
        "AWS::EC2::": {"network"},
        "AWS::RDS::": {"data"},
        "AWS::DynamoDB::": {"data"},
        "AWS::S3::": {"data"},
        "AWS::SQS::": {"data", "observability"},  # there, of alerts that reached nobody
        "AWS::ApiGateway::": {"compute"},
        # CodeDeploy asks the release alarms before the observability layer stands.
        "AWS::CloudWatch::": {"compute", "observability"},
        "AWS::SNS::": {"observability"},
    }
    for prefix, layers in home.items():
        found = {
            layer
            for layer, _, resource in synthesized.resources()
            if resource["Type"].startswith(prefix)
        }
        assert found == layers, prefix


# --- Resources ---


def test_r1_cdk_version_2_with_a_supported_python_in_us_east_1(
    synthesized: Synthesized,
) -> None:
    assert metadata.version("aws-cdk-lib").startswith("2.")
    assert sys.version_info >= (3, 8)
    (artifact,) = synthesized.stacks().values()
    assert artifact["environment"] == "aws://unknown-account/us-east-1"


def subnets(synthesized: Synthesized, kind: str) -> list[dict[str, Any]]:
    return [
        subnet
        for subnet in synthesized.properties("AWS::EC2::Subnet")
        if {"Key": "aws-cdk:subnet-name", "Value": kind} in subnet["Tags"]
    ]


@pytest.mark.parametrize("kind", ["Public", "Private"])
def test_r2_each_of_three_zones_has_a_subnet_of_each_kind(
    synthesized: Synthesized, kind: str
) -> None:
    assert sorted(subnet["AvailabilityZone"] for subnet in subnets(synthesized, kind)) == [
        "us-east-1a",
        "us-east-1b",
        "us-east-1c",
    ]
    assert len(synthesized.properties("AWS::EC2::Subnet")) == 6


def subnet_names(synthesized: Synthesized) -> dict[str, str]:
    """Logical id → Public or Private."""
    names = {}
    for _, logical_id, subnet in synthesized.resources("AWS::EC2::Subnet"):
        tags = {tag["Key"]: tag["Value"] for tag in subnet["Properties"]["Tags"]}
        names[logical_id] = tags["aws-cdk:subnet-name"]
    return names


def test_r2_nat_gateways_stand_in_public_subnets_one_a_zone(synthesized: Synthesized) -> None:
    names = subnet_names(synthesized)
    homes = [nat["SubnetId"]["Ref"] for nat in synthesized.properties("AWS::EC2::NatGateway")]
    assert len(homes) == len(set(homes)) == 3
    assert {names[home] for home in homes} == {"Public"}


def test_r2_private_subnets_go_out_through_nat_only(synthesized: Synthesized) -> None:
    names = subnet_names(synthesized)
    subnet_of_table = {
        association["RouteTableId"]["Ref"]: association["SubnetId"]["Ref"]
        for association in synthesized.properties("AWS::EC2::SubnetRouteTableAssociation")
    }
    ways = {"Public": set(), "Private": set()}  # type: dict[str, set[str]]
    for route in synthesized.properties("AWS::EC2::Route"):
        assert route["DestinationCidrBlock"] == "0.0.0.0/0"
        kind = names[subnet_of_table[route["RouteTableId"]["Ref"]]]
        ways[kind].add("NatGatewayId" if "NatGatewayId" in route else "GatewayId")
    assert ways == {"Public": {"GatewayId"}, "Private": {"NatGatewayId"}}


def private_subnet_parameters(template: dict[str, Any]) -> set[str]:
    return {name for name in template["Parameters"] if "VpcPrivateSubnet" in name}


def test_r2_database_and_payment_functions_stand_in_private_subnets(
    synthesized: Synthesized,
) -> None:
    group = synthesized.only("AWS::RDS::DBSubnetGroup")
    assert {subnet["Ref"] for subnet in group["SubnetIds"]} == private_subnet_parameters(
        synthesized.data
    )
    for name in PAYMENT_FUNCTIONS:
        homes = {subnet["Ref"] for subnet in function(synthesized, name)["VpcConfig"]["SubnetIds"]}
        assert homes == private_subnet_parameters(synthesized.compute)
        assert len(homes) == 3


def test_r2_dynamodb_and_s3_are_reached_without_nat(synthesized: Synthesized) -> None:
    endpoints = synthesized.properties("AWS::EC2::VPCEndpoint")
    services = sorted(endpoint["ServiceName"]["Fn::Join"][1][-1] for endpoint in endpoints)
    assert services == [".dynamodb", ".s3"]
    private = {
        association["RouteTableId"]["Ref"]
        for association in synthesized.properties("AWS::EC2::SubnetRouteTableAssociation")
        if "PrivateSubnet" in association["SubnetId"]["Ref"]
    }
    for endpoint in endpoints:
        assert private <= {table["Ref"] for table in endpoint["RouteTableIds"]}


def test_r3_production_has_a_vpc_of_its_own(synthesized: Synthesized) -> None:
    assert synthesized.only("AWS::EC2::VPC")["CidrBlock"] == "10.20.0.0/16"


def test_r3_default_security_group_is_emptied(synthesized: Synthesized) -> None:
    ((_, vpc_id, _),) = synthesized.resources("AWS::EC2::VPC")
    emptied = synthesized.only("Custom::DefaultSecurityGroup")["DefaultSecurityGroupId"]
    assert emptied == {"Fn::GetAtt": [vpc_id, "DefaultSecurityGroup"]}


def test_r3_no_group_allows_all_outbound_or_any_address_in(synthesized: Synthesized) -> None:
    for group in synthesized.properties("AWS::EC2::SecurityGroup"):
        # Without this property, AWS lets everything out.
        for rule in group["SecurityGroupEgress"]:
            assert rule["IpProtocol"] != "-1"
        assert not group.get("SecurityGroupIngress")
    for rule in synthesized.properties("AWS::EC2::SecurityGroupIngress"):
        assert not {"CidrIp", "CidrIpv6"} & set(rule)
        assert rule["FromPort"] == rule["ToPort"] == 5432


def test_r3_all_traffic_is_logged(synthesized: Synthesized) -> None:
    flow_log = synthesized.only("AWS::EC2::FlowLog")
    ((_, vpc_id, _),) = synthesized.resources("AWS::EC2::VPC")
    assert flow_log["ResourceId"] == {"Ref": vpc_id}
    assert (flow_log["TrafficType"], flow_log["MaxAggregationInterval"]) == ("ALL", 60)


def test_r4_ledger_database_is_built_as_asked(synthesized: Synthesized) -> None:
    instance = synthesized.only("AWS::RDS::DBInstance")
    assert instance["Engine"] == "postgres"
    assert instance["DBInstanceClass"] == "db.t3.medium"
    assert instance["MultiAZ"] is True
    assert instance["BackupRetentionPeriod"] == 30
    assert instance["StorageEncrypted"] is True
    assert instance["PubliclyAccessible"] is False
    assert instance["EnableIAMDatabaseAuthentication"] is True
    key = instance["KmsKeyId"]["Fn::GetAtt"][0]
    assert synthesized.data["Resources"][key]["Type"] == "AWS::KMS::Key"


def test_r4_ledger_takes_tls_only_and_logs_changes_of_schema_and_rights(
    synthesized: Synthesized,
) -> None:
    parameters = synthesized.only("AWS::RDS::DBParameterGroup")["Parameters"]
    assert parameters["rds.force_ssl"] == "1"
    assert parameters["pgaudit.log"] == "ddl,role"
    assert "pgaudit" in parameters["shared_preload_libraries"].split(",")


def test_r4_ledger_is_watched_and_kept_up_to_date(synthesized: Synthesized) -> None:
    instance = synthesized.only("AWS::RDS::DBInstance")
    assert instance["AutoMinorVersionUpgrade"] is True
    assert instance["MonitoringInterval"] == 30
    assert instance["MonitoringRoleArn"] == {"Ref": monitoring_role(synthesized)[0]}
    assert instance["EnablePerformanceInsights"] is True
    assert instance["DatabaseInsightsMode"] == "standard"
    # hh:mm-hh:mm, and with the day, ddd:hh:mm-ddd:hh:mm, in UTC; they must not meet.
    backup, maintenance = (
        [time[-5:] for time in instance[name].split("-")]
        for name in ("PreferredBackupWindow", "PreferredMaintenanceWindow")
    )
    assert backup[1] < maintenance[0]


def monitoring_role(synthesized: Synthesized) -> tuple[str, str]:
    """The parameter by which the data layer is handed the role, and the role in the root."""
    parameters = synthesized.root["Resources"]["DataNestedStack"]["Properties"]["Parameters"]
    (found,) = (
        (parameter, given["Fn::GetAtt"][0])
        for parameter, given in parameters.items()
        if "MonitoringRole" in parameter
    )
    return found


def test_r4_ledgers_monitoring_role_is_known_everywhere_before_the_ledger_is_made(
    synthesized: Synthesized,
) -> None:
    """RDS tries the role when it creates the instance, and IAM takes its time. Before the data
    layer comes the network's, with NAT gateways, which take minutes; and before that, the role."""
    resources = synthesized.root["Resources"]
    _, role = monitoring_role(synthesized)
    assert resources[role]["Type"] == "AWS::IAM::Role"
    (policy,) = (
        name
        for name, each in resources.items()
        if each["Type"] == "AWS::IAM::ManagedPolicy"
        and {"Ref": role} in each["Properties"].get("Roles", [])
    )
    assert policy in resources["NetworkNestedStack"]["DependsOn"]
    assert len(list(synthesized.resources("AWS::EC2::NatGateway"))) == 3
    assert {layer for layer, _, _ in synthesized.resources("AWS::EC2::NatGateway")} == {"network"}
    needed = json.dumps(resources["DataNestedStack"]["Properties"]["Parameters"])
    assert '"Fn::GetAtt": ["NetworkNestedStack"' in needed
    for kept in (role, policy):
        assert resources[kept]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert resources[kept]["UpdateReplacePolicy"] == "Retain"


def test_r4_ledgers_monitoring_role_may_what_awss_own_policy_lets_it_on_its_group_alone(
    synthesized: Synthesized,
) -> None:
    _, role = monitoring_role(synthesized)
    (policy,) = (
        each["Properties"]
        for _, _, each in synthesized.resources("AWS::IAM::ManagedPolicy")
        if {"Ref": role} in each["Properties"].get("Roles", [])
    )
    # AmazonRDSEnhancedMonitoringRole, version 1
    assert {action for each in statements(policy) for action in as_list(each["Action"])} == {
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:GetLogEvents",
        "logs:PutLogEvents",
        "logs:PutRetentionPolicy",
    }
    for each in statements(policy):
        assert all("log-group:RDSOSMetrics" in json.dumps(of) for of in as_list(each["Resource"]))


@pytest.mark.parametrize("name", PAYMENT_FUNCTIONS)
def test_r5_function_has_512_mb_and_30_seconds(synthesized: Synthesized, name: str) -> None:
    properties = function(synthesized, name)
    assert properties["MemorySize"] == 512
    assert properties["Timeout"] == 30


def test_r5_compute_holds_exactly_the_three_functions(synthesized: Synthesized) -> None:
    names = [
        resource["Properties"]["FunctionName"]
        for layer, _, resource in synthesized.resources("AWS::Lambda::Function")
        if layer == "compute"
    ]
    assert sorted(names) == sorted(PAYMENT_FUNCTIONS)


def test_r5_functions_run_on_arm64_with_the_bundled_python(synthesized: Synthesized) -> None:
    for properties in synthesized.properties("AWS::Lambda::Function"):
        assert properties["Runtime"] == "python3.14"
        assert properties["Architectures"] == ["arm64"]


def test_every_function_has_its_time_limits_and_tries_set_by_us(synthesized: Synthesized) -> None:
    """The resolver has no time limit of a client's, and botocore's defaults are the runtime's."""
    for properties in synthesized.properties("AWS::Lambda::Function"):
        variables = properties["Environment"]["Variables"]
        assert variables["RES_OPTIONS"] == "timeout:1 attempts:2"
        assert (variables["AWS_RETRY_MODE"], variables["AWS_MAX_ATTEMPTS"]) == ("standard", "2")


def test_the_ledgers_name_has_one_address(synthesized: Synthesized) -> None:
    """The time to connect is counted once (lambda_code/ledger/connection.py)."""
    assert synthesized.only("AWS::RDS::DBInstance").get("NetworkType", "IPV4") == "IPV4"


@pytest.mark.parametrize("name", PAYMENT_FUNCTIONS)
def test_r6_function_has_concurrency_reserved(synthesized: Synthesized, name: str) -> None:
    assert function(synthesized, name)["ReservedConcurrentExecutions"] >= 20


def test_r7_paths_lead_to_their_functions(synthesized: Synthesized) -> None:
    assert synthesized.only("AWS::ApiGateway::RestApi")
    resources = synthesized.compute["Resources"]
    leads_to = {}
    for method in synthesized.properties("AWS::ApiGateway::Method"):
        path = synthesized.api_path(method)
        assert method["Integration"]["Type"] == "AWS_PROXY"
        (target,) = (
            part["Ref"]
            for part in method["Integration"]["Uri"]["Fn::Join"][1]
            if isinstance(part, dict)
        )
        called = resources[target]["Properties"]["FunctionName"]["Ref"]
        leads_to[method["HttpMethod"], path] = resources[called]["Properties"]["FunctionName"]
    assert leads_to == {
        ("POST", "/validate"): "payment-validator",
        ("POST", "/process"): "payment-processor",
        ("GET", "/status"): "payment-processor",
    }


def test_r8_every_method_requires_an_api_key(synthesized: Synthesized) -> None:
    methods = synthesized.properties("AWS::ApiGateway::Method")
    assert methods
    assert all(method["ApiKeyRequired"] is True for method in methods)
    assert synthesized.only("AWS::ApiGateway::ApiKey")["Enabled"] is True
    assert len(synthesized.properties("AWS::ApiGateway::UsagePlanKey")) == 1


def test_r8_stage_and_usage_plan_throttle(synthesized: Synthesized) -> None:
    settings = {
        (method["HttpMethod"], method["ResourcePath"]): method
        for method in synthesized.only("AWS::ApiGateway::Stage")["MethodSettings"]
    }
    assert {
        method: (setting["ThrottlingRateLimit"], setting["ThrottlingBurstLimit"])
        for method, setting in settings.items()
    } == {
        ("*", "/*"): (100, 200),
        ("POST", "/~1validate"): (100, 200),
        ("POST", "/~1process"): (100, 200),
        ("GET", "/~1status"): (20, 20),
    }
    # A method with settings of its own has none of the stage's.
    assert {
        (setting["LoggingLevel"], setting["DataTraceEnabled"], setting["MetricsEnabled"])
        for setting in settings.values()
    } == {("INFO", False, True)}
    plan = synthesized.only("AWS::ApiGateway::UsagePlan")
    assert plan["Throttle"] == {"RateLimit": 100, "BurstLimit": 200}
    assert plan["Quota"] == {"Limit": 1_000_000, "Period": "DAY"}


def test_r9_transactions_table_has_its_keys_and_recovery(synthesized: Synthesized) -> None:
    table = synthesized.only("AWS::DynamoDB::Table")
    assert table["TableName"] == "payment-transactions"
    assert table["KeySchema"] == [
        {"AttributeName": "transaction_id", "KeyType": "HASH"},
        {"AttributeName": "timestamp", "KeyType": "RANGE"},
    ]
    assert table["AttributeDefinitions"] == [
        {"AttributeName": "transaction_id", "AttributeType": "S"},
        {"AttributeName": "timestamp", "AttributeType": "N"},
    ]
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True


def audit_bucket(synthesized: Synthesized) -> dict[str, Any]:
    return synthesized.only("AWS::S3::Bucket", ObjectLockEnabled=True)


def test_r10_audit_objects_move_to_glacier_after_90_days(synthesized: Synthesized) -> None:
    lifecycle = audit_bucket(synthesized)["LifecycleConfiguration"]
    (rule,) = lifecycle["Rules"]
    assert rule["Status"] == "Enabled"
    assert rule["Transitions"] == [{"StorageClass": "GLACIER", "TransitionInDays": 90}]
    # By default, S3 moves no object below 128 KB, and audit objects are smaller.
    assert lifecycle["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"


def test_r10_audit_bucket_is_private_versioned_and_locked(synthesized: Synthesized) -> None:
    bucket = audit_bucket(synthesized)
    assert bucket["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["ObjectLockEnabled"] is True


def encryption_key(bucket: dict[str, Any]) -> str:
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    default = rule["ServerSideEncryptionByDefault"]
    assert default["SSEAlgorithm"] == "aws:kms"
    key = default["KMSMasterKeyID"]["Fn::GetAtt"][0]
    assert isinstance(key, str)
    return key


def test_r11_queues_keep_failed_payments_for_14_days(synthesized: Synthesized) -> None:
    queues = synthesized.properties("AWS::SQS::Queue")
    assert len(queues) == 5
    assert {queue["MessageRetentionPeriod"] for queue in queues} == {14 * 24 * 60 * 60}


def test_r11_retry_queue_feeds_the_processor_and_ends_in_a_dead_letter_queue(
    synthesized: Synthesized,
) -> None:
    (queue,) = (q for q in synthesized.properties("AWS::SQS::Queue") if "RedrivePolicy" in q)
    assert queue["VisibilityTimeout"] >= 6 * 30
    # The code tells what has had its last delivery.
    assert queue["RedrivePolicy"]["maxReceiveCount"] == MAX_RECEIVES
    (mapping,) = (
        properties
        for properties in synthesized.properties("AWS::Lambda::EventSourceMapping")
        if "ScalingConfig" in properties
    )
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"]["MaximumConcurrency"] < 100


def dashboard_text(synthesized: Synthesized) -> str:
    body = synthesized.only("AWS::CloudWatch::Dashboard")["DashboardBody"]["Fn::Join"][1]
    return "".join(part for part in body if isinstance(part, str))


@pytest.mark.parametrize(
    "metric",
    [
        r'"AWS/ApiGateway","Latency"',
        r'"AWS/Lambda","Errors"',
        r'"AWS/RDS","CPUUtilization"',
    ],
)
def test_r12_dashboard_shows(synthesized: Synthesized, metric: str) -> None:
    assert metric in dashboard_text(synthesized)


def test_r13_operators_subscribe_to_the_alerts_by_mail(synthesized: Synthesized) -> None:
    subscription = synthesized.only("AWS::SNS::Subscription")
    assert subscription["Protocol"] == "email"
    assert subscription["Endpoint"] == "ops@company.com"
    topic = subscription["TopicArn"]["Ref"]
    assert synthesized.observability["Resources"][topic]["Type"] == "AWS::SNS::Topic"


CRITICAL_METRICS = [
    ("AWS/ApiGateway", "5XXError", 1),
    ("AWS/ApiGateway", "4XXError", 1),
    ("AWS/ApiGateway", "Latency", 1),
    ("AWS/Lambda", "Errors", 3),
    ("AWS/Lambda", "Throttles", 3),
    ("AWS/Lambda", "Duration", 3),
    ("AWS/Lambda", "ConcurrentExecutions", 3),
    ("AWS/Lambda", "IteratorAge", 1),
    ("AWS/RDS", "CPUUtilization", 1),
    ("AWS/RDS", "FreeStorageSpace", 1),
    ("AWS/RDS", "FreeableMemory", 1),
    ("AWS/RDS", "CPUCreditBalance", 1),
    ("AWS/RDS", "DatabaseConnections", 1),
    ("AWS/RDS", "ReadLatency", 1),
    ("AWS/RDS", "WriteLatency", 1),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", 5),
    ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", 1),
    ("AWS/SQS", "ApproximateAgeOfOldestMessage", 1),
    ("AWS/DynamoDB", "SystemErrors", 3),
    ("AWS/DynamoDB", "ThrottledRequests", 2),
    ("AWS/NATGateway", "ErrorPortAllocation", 3),
    ("AWS/NATGateway", "PacketsDropCount", 3),
    ("AWS/SNS", "NumberOfNotificationsFailed", 1),
]


def operators_alarms(synthesized: Synthesized) -> list[dict[str, Any]]:
    """Those that are mailed; the release alarms of the compute layer speak to CodeDeploy."""
    return [
        resource["Properties"]
        for layer, _, resource in synthesized.resources("AWS::CloudWatch::Alarm")
        if layer == "observability"
    ]


def watched_metrics(alarm: dict[str, Any]) -> set[tuple[str, str]]:
    """Namespace and name of each metric that an alarm reads, inside expressions too."""
    if "MetricName" in alarm:
        return {(alarm["Namespace"], alarm["MetricName"])}
    return {
        (stat["Metric"]["Namespace"], stat["Metric"]["MetricName"])
        for query in alarm["Metrics"]
        if (stat := query.get("MetricStat"))
    }


@pytest.mark.parametrize(("namespace", "metric", "alarms"), CRITICAL_METRICS)
def test_r14_critical_metric_has_its_alarms(
    synthesized: Synthesized, namespace: str, metric: str, alarms: int
) -> None:
    watching = [
        alarm
        for alarm in operators_alarms(synthesized)
        if (namespace, metric) in watched_metrics(alarm)
    ]
    assert len(watching) == alarms


def test_r14_gauges_are_not_added_up(synthesized: Synthesized) -> None:
    gauges = {
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesVisible",
        "ConcurrentExecutions",
        "CPUCreditBalance",
        "CPUUtilization",
        "DatabaseConnections",
        "FreeStorageSpace",
        "FreeableMemory",
        "IteratorAge",
    }
    for alarm in synthesized.properties("AWS::CloudWatch::Alarm"):
        stats = [alarm] + [query.get("MetricStat", {}) for query in alarm.get("Metrics", [])]
        for stat in stats:
            metric = stat.get("MetricName") or stat.get("Metric", {}).get("MetricName")
            if metric in gauges:
                assert stat.get("Statistic", stat.get("Stat")) != "Sum", alarm["AlarmName"]


def test_r14_alarm_looks_at_minutes(synthesized: Synthesized) -> None:
    for alarm in synthesized.properties("AWS::CloudWatch::Alarm"):
        periods = {alarm.get("Period")} | {
            query.get("MetricStat", {}).get("Period") for query in alarm.get("Metrics", [])
        }
        # RDS reports some no oftener; and a payment and its audit may be minutes apart.
        seldom = re.search(r"CPUCreditBalance|EBS\w+Balance", str(alarm))
        minutes = 15 if "audit-trail-not-fed" in alarm["AlarmName"] else 5 if seldom else 1
        if "reconciliation-missing" in alarm["AlarmName"]:
            minutes = 60  # what reports once a night
        assert periods <= {None, 60 * minutes}, alarm["AlarmName"]


def test_r14_every_alarm_and_its_recovery_reach_the_alerts_topic(
    synthesized: Synthesized,
) -> None:
    ((_, topic, _),) = synthesized.resources("AWS::SNS::Topic")
    for alarm in operators_alarms(synthesized):
        assert alarm["ActionsEnabled"] is True
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": topic}]


def test_r15_every_log_group_keeps_90_days(synthesized: Synthesized) -> None:
    groups = synthesized.properties("AWS::Logs::LogGroup")
    assert groups
    assert {group.get("RetentionInDays") for group in groups} == {90}


def test_r15_every_function_writes_to_a_declared_group(synthesized: Synthesized) -> None:
    for layer, logical_id, resource in synthesized.resources("AWS::Lambda::Function"):
        group = resource["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
        declared = synthesized.templates()[layer]["Resources"][group]
        assert declared["Type"] == "AWS::Logs::LogGroup", logical_id


def test_r15_groups_that_aws_would_create_are_declared(synthesized: Synthesized) -> None:
    names = [group.get("LogGroupName") for group in synthesized.properties("AWS::Logs::LogGroup")]
    ((_, api, _),) = synthesized.resources("AWS::ApiGateway::RestApi")
    execution = {"Fn::Join": ["", ["API-Gateway-Execution-Logs_", {"Ref": api}, "/prod"]]}
    for name in (
        "/aws/rds/instance/payments-ledger/postgresql",
        "/aws/rds/instance/payments-ledger/upgrade",
        "aws-waf-logs-payments",
        "/payments/vpc-flow-logs",
        "/payments/api-access",
        execution,
    ):
        assert name in names
    exports = synthesized.only("AWS::RDS::DBInstance")["EnableCloudwatchLogsExports"]
    assert exports == ["postgresql", "upgrade"]


SHARED_LOG_GROUPS = ("/aws/apigateway/welcome", "RDSOSMetrics")


def test_r15_groups_of_the_account_are_kept_as_ours_are_and_never_created_by_name(
    synthesized: Synthesized,
) -> None:
    """They exist wherever API Gateway logged or enhanced monitoring ran before."""
    kept = {each["LogGroupName"]: each for each in synthesized.properties("Custom::SharedLogGroup")}
    assert set(kept) == set(SHARED_LOG_GROUPS)
    ((_, key, _),) = (
        found for found in synthesized.resources("AWS::KMS::Key") if found[0] == "root"
    )
    for name, each in kept.items():
        assert int(each["RetentionInDays"]) == 90
        assert each["KmsKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
        assert each["Tags"].keys() == {"Environment", "Team", "CostCenter"}
        assert json.dumps(each["LogGroupArn"]).endswith(f':log-group:{name}"]]}}')
    declared = {
        group.get("LogGroupName")
        for group in synthesized.properties("AWS::Logs::LogGroup")
        if isinstance(group.get("LogGroupName"), str)
    }
    assert not declared & set(SHARED_LOG_GROUPS)


def test_r15_groups_of_the_account_are_kept_before_aws_writes_to_them(
    synthesized: Synthesized,
) -> None:
    """Data, with the database, and Compute, with API Gateway's role, come after Network."""
    shared = {
        name
        for layer, name, _ in synthesized.resources("Custom::SharedLogGroup")
        if layer == "root"
    }
    assert len(shared) == len(SHARED_LOG_GROUPS)
    assert shared <= set(synthesized.root["Resources"]["NetworkNestedStack"]["DependsOn"])


def test_r16_stack_carries_the_three_tags(synthesized: Synthesized) -> None:
    (artifact,) = synthesized.stacks().values()
    assert artifact["properties"]["tags"] == {
        "Environment": "production",
        "Team": "payments",
        "CostCenter": "payments-production",
    }


def test_r17_each_function_has_a_role_of_its_own(synthesized: Synthesized) -> None:
    roles = [
        (layer, resource["Properties"]["Role"]["Fn::GetAtt"][0])
        for layer, _, resource in synthesized.resources("AWS::Lambda::Function")
    ]
    assert len(roles) == len(set(roles)) == 11


def test_r17_each_role_has_one_policy_that_is_written_for_it(synthesized: Synthesized) -> None:
    """No managed policy of AWS's, none that is shared, none inline."""
    policies = list(synthesized.resources("AWS::IAM::ManagedPolicy"))
    for layer, logical_id, role in synthesized.resources("AWS::IAM::Role"):
        assert not {"ManagedPolicyArns", "Policies"} & role["Properties"].keys(), logical_id
        of_role = [
            policy["Properties"]["Roles"]
            for policy_layer, _, policy in policies
            if policy_layer == layer
            and {"Ref": logical_id} in policy["Properties"].get("Roles", [])
        ]
        assert of_role == [[{"Ref": logical_id}]], logical_id
    assert not list(synthesized.resources("AWS::IAM::Policy"))


def test_r17_no_wildcard_action_is_granted(synthesized: Synthesized) -> None:
    for _, logical_id, policy in synthesized.resources("AWS::IAM::ManagedPolicy"):
        for statement in statements(policy["Properties"]):
            if statement["Effect"] == "Allow":
                for action in as_list(statement["Action"]):
                    assert "*" not in action, f"{logical_id}: {action}"


def test_r17_policies_fit_into_what_iam_stores(synthesized: Synthesized) -> None:
    """6,144 characters without white space (IAM user guide, "IAM and AWS STS quotas")."""
    templates = Templates.of(synthesized.folder)
    for policy in templates.resources("AWS::IAM::ManagedPolicy"):
        document = templates.resolved(policy.properties["PolicyDocument"], policy.stack)
        assert len(json.dumps(document, separators=(",", ":"))) < 6_144, policy.logical_id


@pytest.mark.parametrize("name", PAYMENT_FUNCTIONS)
def test_r17_payment_function_is_explicitly_denied(synthesized: Synthesized, name: str) -> None:
    role = function(synthesized, name)["Role"]["Fn::GetAtt"][0]
    (policy,) = (
        policy
        for policy in synthesized.properties("AWS::IAM::ManagedPolicy")
        if policy.get("Roles") == [{"Ref": role}]
    )
    denied = {
        action
        for statement in statements(policy)
        if statement["Effect"] == "Deny"
        for action in as_list(statement["Action"])
    }
    assert {
        "dynamodb:DeleteItem",
        "dynamodb:UpdateItem",
        "s3:DeleteObjectVersion",
        "s3:BypassGovernanceRetention",
        "kms:ScheduleKeyDeletion",
        "iam:*",
    } <= denied


def test_r18_database_and_bucket_have_separate_rotated_keys(synthesized: Synthesized) -> None:
    database = synthesized.only("AWS::RDS::DBInstance")["KmsKeyId"]["Fn::GetAtt"][0]
    bucket = encryption_key(audit_bucket(synthesized))
    assert database != bucket
    for key in (database, bucket):
        resource = synthesized.data["Resources"][key]
        assert resource["Type"] == "AWS::KMS::Key"
        assert resource["Properties"]["EnableKeyRotation"] is True


def test_r19_deployment_instructions_lead_from_credentials_to_rollback() -> None:
    readme = (ROOT / "README.md").read_text()
    for subject in ("credentials", "bootstrap", "make deploy", "confirm", "API key", "roll"):
        assert re.search(subject, readme, re.I), subject
