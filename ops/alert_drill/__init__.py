"""`alert-drill`: whether alarms and events reach the operators."""
