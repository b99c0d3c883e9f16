"""CloudFormation's custom resource protocol."""
