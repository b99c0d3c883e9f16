"""The embedded environment: PaymentsProd on this machine, without AWS."""
