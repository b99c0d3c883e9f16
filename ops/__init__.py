"""The operator's tool: what is looked at and done between deployments."""
