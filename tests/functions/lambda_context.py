"""A stand-in for the context object that Lambda hands to a function."""

from __future__ import annotations

from types import SimpleNamespace

CONTEXT = SimpleNamespace(
    function_name="function",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:function",
    aws_request_id="request",
    log_stream_name="stream",
    get_remaining_time_in_millis=lambda: 30_000,
)
