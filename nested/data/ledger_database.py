"""The double-entry ledger's database (R4)."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_rds as rds
from constructs import Construct

from building_blocks.key import CustomerManagedKey
from building_blocks.logs import EncryptedLogGroup
from config import DATABASE_MAX_CONNECTIONS, ProductionConfig
from nested.network import NetworkOutputs


class LedgerDatabase(Construct):
    """PostgreSQL, Multi-AZ, in the private subnets, under a key of its own.

    The master password is made, stored and rotated by RDS, and nobody needs to know it: the
    functions log in with IAM.

    Deletion protection is the production seal's: CloudFormation could not roll back a first
    deployment that protects it here. Nor may the template say "not protected", which
    CloudFormation would send along with every later change of the instance, and so break the seal.
    """

    IDENTIFIER = "payments-ledger"
    DATABASE_NAME = "payments"
    MASTER_USER = "ledger_admin"

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: ProductionConfig,
        network: NetworkOutputs,
        monitoring_role: iam.IRole,
    ) -> None:
        super().__init__(scope, construct_id)
        self.key = CustomerManagedKey(
            self,
            "Key",
            alias="payments/ledger-database",
            description=f"Payments {config.environment}: ledger database and its master secret",
            through=["rds", "secretsmanager"],
            keeps_grants=True,
        )
        private = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
        survives = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
        # The major version alone: minor versions disappear from RDS (aws/aws-cdk#30131), and
        # RDS installs the newer ones in the maintenance window.
        engine = rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_18)
        subnet_group = rds.SubnetGroup(
            self,
            "SubnetGroup",
            description="Private subnets of the ledger's database",
            vpc=network.vpc,
            vpc_subnets=private,
            removal_policy=survives,
        )
        parameter_group = rds.ParameterGroup(
            self,
            "ParameterGroup",
            description="The ledger's database",
            engine=engine,
            parameters={
                "rds.force_ssl": "1",
                "max_connections": str(DATABASE_MAX_CONNECTIONS),
                "log_disconnections": "1",
                "log_lock_waits": "1",
                "log_min_duration_statement": "1000",
                "log_statement": "ddl",
                # Who changed the schema, and who was given which rights. Rows are append-only,
                # and carry their own time: statements that add them are not logged again.
                "shared_preload_libraries": "pg_stat_statements,pgaudit",
                "pgaudit.log": "ddl,role",
                # A function that dies within a transaction must not hold its locks for long.
                "idle_in_transaction_session_timeout": "60000",
            },
            removal_policy=survives,
        )
        exported_logs = ["postgresql", "upgrade"]
        log_groups = [
            EncryptedLogGroup(
                self,
                f"{log.capitalize()}LogGroup",
                name=f"/aws/rds/instance/{self.IDENTIFIER}/{log}",
                key=network.application_key,
            )
            for log in exported_logs
        ]
        self.instance = rds.DatabaseInstance(
            self,
            "Instance",
            instance_identifier=self.IDENTIFIER,
            engine=engine,
            instance_type=ec2.InstanceType(config.database_instance_type),
            database_name=self.DATABASE_NAME,
            port=network.ledger_port,
            credentials=rds.Credentials.from_username(self.MASTER_USER, encryption_key=self.key),
            manage_master_user_password=True,
            iam_authentication=True,
            multi_az=True,
            vpc=network.vpc,
            vpc_subnets=private,
            subnet_group=subnet_group,
            security_groups=[network.database_security_group],
            publicly_accessible=False,
            parameter_group=parameter_group,
            storage_type=rds.StorageType.GP3,
            allocated_storage=config.database_storage_gib,
            max_allocated_storage=config.database_max_storage_gib,
            storage_encrypted=True,
            storage_encryption_key=self.key,
            backup_retention=Duration.days(config.backup_retention_days),
            delete_automated_backups=False,
            copy_tags_to_snapshot=True,
            # UTC, in the quiet hours of the Americas; the windows do not touch.
            preferred_backup_window="07:00-08:00",
            preferred_maintenance_window="sun:09:00-sun:10:00",
            auto_minor_version_upgrade=True,
            ca_certificate=rds.CaCertificate.RDS_CA_RSA2048_G1,
            cloudwatch_logs_exports=exported_logs,
            # Every 30 s, memory, swap and file systems too, which CloudWatch's metrics leave out.
            monitoring_interval=Duration.seconds(30),
            monitoring_role=monitoring_role,
            # The advanced mode is for larger classes than a t3's.
            database_insights_mode=rds.DatabaseInsightsMode.STANDARD,
            enable_performance_insights=True,
            performance_insight_encryption_key=self.key,
            performance_insight_retention=rds.PerformanceInsightRetention.DEFAULT,
            removal_policy=survives,
        )
        # RDS would create the groups itself, to be kept for ever.
        self.instance.node.add_dependency(*log_groups)
        resource = self.instance.node.default_child
        assert isinstance(resource, rds.CfnDBInstance)
        if config.database_restored_at:
            # CloudFormation reads an instance's attributes only when its template changes it.
            resource.tags.set_tag("RestoredAt", config.database_restored_at)
        self.master_secret_arn = resource.attr_master_user_secret_secret_arn
        self.resource_id = resource.attr_dbi_resource_id

    def client_environment(self, user: str) -> dict[str, str]:
        """What a function finds the ledger by, and the database user that it logs in as."""
        return {
            "LEDGER_HOST": self.instance.db_instance_endpoint_address,
            "LEDGER_PORT": self.instance.db_instance_endpoint_port,
            "LEDGER_DATABASE": self.DATABASE_NAME,
            "LEDGER_USER": user,
        }
