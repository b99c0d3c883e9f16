"""Drills: what happens to PaymentsProd when a deployment goes wrong, tried out (DESIGN, §2).

Each drill runs against the embedded environment, through the real CDK command line and
CloudFormation's API; nothing of the app knows about them.
"""
