"""What the operators are told of, for people to review: each critical metric with its alerts."""
