"""What the payment functions share: the contract, the payment's history, and the rules on both."""
