"""The tables of docs/observability.md and of the runbooks' index, made from the alerts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from assurance.alerting.critical_metrics import CRITICAL_METRICS, CriticalMetric
from assurance.alerting.scenarios.verdict import Row
from building_blocks.alert import Alert
from config import ProductionConfig, reason
from nested.observability.alarms import MetricAlarm
from nested.observability.queries import QUERIES
from ops.console.markdown import renewed, table

PROJECT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = PROJECT / "docs" / "observability.md"
INDEX: Final = PROJECT / "docs" / "runbooks" / "README.md"

_ByName = Mapping[str, Sequence[Alert]]
"""Those that differ in what they watch only, such as the function, have one name."""

_TREATMENTS: Final = {
    "NOT_BREACHING": "harmless",
    "IGNORE": "unchanged",
    "BREACHING": "alarming",
    "MISSING": "told",
}


def written(alerts: Sequence[Alert], rows: Iterable[Row]) -> dict[Path, str]:
    """Each file as it should be.

    Args:
        alerts: all that the operators are told of (``ObservabilityOutputs.alerts``).
        rows: what the alarms make of each scenario.
    """
    by_name: dict[str, list[Alert]] = {}
    for alert in alerts:
        by_name.setdefault(alert.name, []).append(alert)
    tables = {
        PAGE: {
            "critical metrics": _metrics(by_name),
            "scenarios": _scenarios(rows),
            "saved queries": _queries(),
        },
        INDEX: {"alerts": _index(by_name)},
    }
    return {
        path: renewed(path.read_text(encoding="utf-8"), parts) for path, parts in tables.items()
    }


def _metrics(alerts: _ByName) -> str:
    head = ("critical metric", "alert", "severity", "threshold, and why", "bad minutes", "no data")
    context = json.loads((PROJECT / "cdk.json").read_text(encoding="utf-8"))["context"]
    config = ProductionConfig.from_context(context)

    def limit(line: CriticalMetric) -> str:
        settings = (f"`{name}` {getattr(config, name)}: {reason(name)}" for name in line.settings)
        return "<br>".join(settings) or line.limit

    return table(
        head,
        (
            (
                line.what,
                "<br>".join(_link(alerts[name][0], "runbooks/") for name in line.alerts),
                "<br>".join(_severity(alerts[name]) for name in line.alerts),
                limit(line),
                _each(line, alerts, _bad_minutes),
                _each(line, alerts, _no_data),
            )
            for line in CRITICAL_METRICS
        ),
    )


def _each(line: CriticalMetric, alerts: _ByName, tell: Callable[[Alert], str]) -> str:
    """What is told of the alerts of a line, each but once."""
    told = dict.fromkeys(tell(alert) for name in line.alerts for alert in alerts[name])
    return "<br>".join(told)


def _severity(alerts: Sequence[Alert]) -> str:
    if len({alert.severity for alert in alerts}) == 1:
        return str(alerts[0].severity)
    return "; ".join(f"{alert.subject}: {alert.severity}" for alert in alerts)


def _bad_minutes(alert: Alert) -> str:
    if not isinstance(alert, MetricAlarm):
        return "–"
    period = alert.metric.period.to_minutes()
    bad, of = alert.datapoints
    return f"{bad * period:g} of {of * period:g}"


def _no_data(alert: Alert) -> str:
    if not isinstance(alert, MetricAlarm):
        return "–"
    return f"{_TREATMENTS[alert.no_data.treatment.name]}. {alert.no_data.reason}"


def _scenarios(rows: Iterable[Row]) -> str:
    return table(
        ("scenario", "what is right, and why", "told, after minutes"),
        ((row.scenario.name, row.scenario.why, told_within(row)) for row in rows),
    )


def told_within(row: Row) -> str:
    """The alerts of a scenario, soonest first, each with the minutes until its mail."""
    found = sorted(row.minutes.items(), key=lambda told: (told[1], told[0]))
    told = (f"{name} {'–'.join(map(str, dict.fromkeys(minutes)))}" for name, minutes in found)
    return ", ".join(told) or "nobody"


def _index(alerts: _ByName) -> str:
    rows = (
        (
            _link(named[0], ""),
            _severity(named),
            "<br>".join(dict.fromkeys(alert.impact for alert in named)),
        )
        for named in sorted(alerts.values(), key=lambda named: (named[0].family, named[0].name))
    )
    return table(("alert", "severity", "what users see"), rows)


def _queries() -> str:
    rows = (
        (f"`payments/{saved.name}`", ", ".join(f"`{group}`" for group in saved.log_groups))
        for saved in QUERIES
    )
    return table(("query", "log groups"), rows)


def _link(alert: Alert, folder: str) -> str:
    return f"[{alert.name}]({folder}{alert.family}.md#{alert.name})"
