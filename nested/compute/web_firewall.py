"""The web application firewall in front of the API."""

from __future__ import annotations

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_kms as kms
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from building_blocks.logs import EncryptedLogGroup

_MANAGED_RULES = (
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
)
"""Rule groups that AWS keeps up to date, in the order in which they are asked."""


_ONLY_COUNTED = {
    # It blocks bodies above 8,192 bytes. The functions refuse those above 4,096 unread, with 413
    # and what is wrong, as the contract says; a 403 would send clients to look for a wrong key.
    "AWSManagedRulesCommonRuleSet": ("SizeRestrictions_BODY",),
}
"""Rules of a group that block nothing here."""


class WebFirewall(Construct):
    """AWS's managed rules and a limit per address; what it decides is logged, without the API
    key."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        api: apigateway.RestApi,
        log_key: kms.IKey,
        requests_per_5_minutes: int,
    ) -> None:
        super().__init__(scope, construct_id)
        rules = [
            wafv2.CfnWebACL.RuleProperty(
                name=name,
                priority=priority,
                override_action=wafv2.CfnWebACL.OverrideActionProperty(none={}),
                statement=wafv2.CfnWebACL.StatementProperty(
                    managed_rule_group_statement=(
                        wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
                            vendor_name="AWS",
                            name=name,
                            rule_action_overrides=[
                                wafv2.CfnWebACL.RuleActionOverrideProperty(
                                    name=rule,
                                    action_to_use=wafv2.CfnWebACL.RuleActionProperty(count={}),
                                )
                                for rule in _ONLY_COUNTED.get(name, ())
                            ]
                            or None,
                        )
                    )
                ),
                visibility_config=_visible_as(name),
            )
            for priority, name in enumerate(_MANAGED_RULES)
        ]
        rules.append(
            wafv2.CfnWebACL.RuleProperty(
                name="RatePerAddress",
                priority=len(rules),
                action=wafv2.CfnWebACL.RuleActionProperty(block={}),
                statement=wafv2.CfnWebACL.StatementProperty(
                    rate_based_statement=wafv2.CfnWebACL.RateBasedStatementProperty(
                        aggregate_key_type="IP",
                        evaluation_window_sec=300,
                        limit=requests_per_5_minutes,
                    )
                ),
                visibility_config=_visible_as("RatePerAddress"),
            )
        )
        web_acl = wafv2.CfnWebACL(
            self,
            "WebAcl",
            name="payments",
            description="Guards the payments API",
            scope="REGIONAL",
            default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
            rules=rules,
            visibility_config=_visible_as("payments"),
            data_protection_config=_NOTHING_OF_A_REQUEST,
        )
        wafv2.CfnWebACLAssociation(
            self,
            "Association",
            resource_arn=api.deployment_stage.stage_arn,
            web_acl_arn=web_acl.attr_arn,
        )
        # WAF writes to no group whose name starts differently.
        name = "aws-waf-logs-payments"
        log_group = EncryptedLogGroup(self, "LogGroup", name=name, key=log_key)
        logging = wafv2.CfnLoggingConfiguration(
            self,
            "Logging",
            resource_arn=web_acl.attr_arn,
            # Without the ":*" that a log group's own ARN ends in, which WAF refuses.
            log_destination_configs=[
                Stack.of(self).format_arn(
                    service="logs",
                    resource="log-group",
                    resource_name=name,
                    arn_format=ArnFormat.COLON_RESOURCE_NAME,
                )
            ],
            # What data protection (above) does not know. The rest of the address is the stage.
            redacted_fields=[wafv2.CfnLoggingConfiguration.FieldToMatchProperty(uri_path={})],
        )
        logging.node.add_dependency(log_group)


# Clients write what they like into a request that is refused, card numbers among it. Without keys,
# all headers and cookies are meant (AWS WAF API reference, FieldToProtect): their names stay.
_NOTHING_OF_A_REQUEST = wafv2.CfnWebACL.DataProtectionConfigProperty(
    data_protections=[
        wafv2.CfnWebACL.DataProtectProperty(
            action="SUBSTITUTION",
            field=wafv2.CfnWebACL.FieldToProtectProperty(field_type=field),
            # Nor what of it a rule has matched.
            exclude_rate_based_details=False,
            exclude_rule_match_details=False,
        )
        for field in ("SINGLE_HEADER", "SINGLE_COOKIE", "QUERY_STRING", "BODY")
    ]
)


def _visible_as(metric: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        metric_name=metric,
        cloud_watch_metrics_enabled=True,
        # Samples show requests in the console, with their addresses.
        sampled_requests_enabled=False,
    )
