"""`dashboard`: the CloudWatch dashboard as a picture."""
