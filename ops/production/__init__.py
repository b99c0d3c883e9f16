"""How the operator's tool reads what is deployed, in AWS."""
