"""What calls payments-reconciliation, and with what."""

from __future__ import annotations

import json

from reconciliation import handler
from tests.synthesis import Synthesized


def test_each_task_is_called_for_every_night_and_none_meets_another(
    synthesized: Synthesized,
) -> None:
    function = synthesized.only("AWS::Lambda::Function", FunctionName="payments-reconciliation")
    called = {}
    for rule in synthesized.properties("AWS::Events::Rule"):
        for target in rule["Targets"]:
            task = json.loads(target.get("Input", "{}")).get("task")
            if task in handler.TASKS:
                called[task] = rule["ScheduleExpression"]
                assert target["DeadLetterConfig"]
    assert called == {"compare": "cron(30 2 * * ? *)", "walk": "cron(50 2 * * ? *)"}
    assert called.keys() == handler.TASKS.keys()
    assert function["Timeout"] < 20 * 60
    assert function["ReservedConcurrentExecutions"] == 1
