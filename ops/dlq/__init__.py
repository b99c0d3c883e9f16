"""`dlq`: what the dead-letter queues hold, back to work with it."""
