"""What production may cost a month."""

from __future__ import annotations

from typing import Final

from aws_cdk import aws_budgets as budgets
from constructs import Construct

from building_blocks.alert import Alert, Severity
from config import ProductionConfig

OVER_BUDGET: Final = Alert(
    name="over-budget",
    family="keys-and-events",
    severity=Severity.WARNING,
    summary="The account costs more this month than it may, or will by AWS's forecast.",
    impact="None; somebody may be calling who does not pay, or work goes round in circles.",
)
"""AWS Budgets writes the mail itself, in its own words."""


class MonthlyBudget(Construct):
    """Of the whole account: AWS knows what a tag costs only where the account's owner has activated
    it for that, and a budget of a tag that is not activated is never spent.

    Mailed by AWS Budgets, to the operators' address and not by the alerts topic, which would have
    to admit another service, and the application's key, too. It needs no confirmation.
    """

    def __init__(self, scope: Construct, construct_id: str, *, config: ProductionConfig) -> None:
        super().__init__(scope, construct_id)
        subscriber = budgets.CfnBudget.SubscriberProperty(
            address=config.alert_email, subscription_type="EMAIL"
        )
        budgets.CfnBudget(
            self,
            "Budget",
            # It has no name of its own: another address replaces it, before the old one goes.
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(
                    amount=config.monthly_budget_usd, unit="USD"
                ),
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[subscriber],
                )
                # A forecast takes five weeks of use; until then, what was spent must tell in time.
                for kind, percent in (("FORECASTED", 100), ("ACTUAL", 80))
            ],
            resource_tags=[
                budgets.CfnBudget.ResourceTagProperty(key=key, value=value)
                for key, value in config.tags.items()
            ],
        )
