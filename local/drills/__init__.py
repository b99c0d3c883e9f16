"""Drills: the worst days of PaymentsProd, tried out: deployments that go wrong (DESIGN, §2), and
others that a runbook leads back from.

Each drill runs against the embedded environment, through the real CDK command line and
CloudFormation's API; nothing of the app knows about them.
"""
