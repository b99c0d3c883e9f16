"""`alerts`: alarms that are put back as the template has them."""
