"""Somebody mutes an alarm and moves its threshold: it is told, and one line puts it back
(docs/runbooks/keys-and-events.md)."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from local.drills import runbook
from local.drills.report import Step, drill
from local.drills.site import Site

_ALARM = "payments-outbox-age"


@drill("alarm-muted", "Somebody mutes an alarm, and moves its threshold")
@runbook.with_cli
def alarm_muted(site: Site) -> Iterator[Step]:
    site.ensure_deployed()
    before, (alarm, settings) = site.problems(), _alarm(site)
    moved = json.dumps({**settings, "Threshold": 1_000_000_000.0})
    done = site.paste(
        f"aws cloudwatch put-metric-alarm --cli-input-json {shlex.quote(moved)}\n"
        f"aws cloudwatch disable-alarm-actions --alarm-names {_ALARM}"
    )
    muted = done.succeeded and _alarm(site)[0] != alarm
    yield Step(f"mute {_ALARM} and move its threshold, by the AWS CLI", "done", muted, done.told)
    found = [each for each in site.problems() if each not in before]
    line = f".venv/bin/python -m ops alerts restore {_ALARM} --yes"
    (told,) = [each for each in found if line in each["mend"]] or [{"what": "", "found": ""}]
    yield Step(
        "python -m ops verify",
        "that it is switched off, its threshold, and the line that puts it back",
        told["what"] == f"alarm {_ALARM}"
        and all(word in told["found"] for word in ("switched off", "Threshold 1e+09")),
        "; ".join(f"{each['what']}: {each['found']}" for each in found),
    )
    blocks = runbook.blocks("keys-and-events.md", "safeguard-changed")
    mend = [each for each in blocks if "alerts restore" in each][-1]
    yield runbook.pasted("*Mend*", runbook.paste(site, mend, {"NAME": _ALARM}))
    after = site.problems()
    held = after == before and _alarm(site)[0] == alarm
    yield Step(
        "python -m ops verify", "as before; the alarm is as it was", held, f"{len(after)} problems"
    )


def _alarm(site: Site) -> tuple[dict[str, Any], dict[str, Any]]:
    """What it is, without its state; and what of that PutMetricAlarm takes."""
    cloudwatch = site.client("cloudwatch")
    (found,) = cloudwatch.describe_alarms(AlarmNames=[_ALARM])["MetricAlarms"]
    taken = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    settings = {name: value for name, value in found.items() if name in taken}
    return {**settings, "AlarmArn": found["AlarmArn"]}, settings
