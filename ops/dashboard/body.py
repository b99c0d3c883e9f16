"""A CloudWatch dashboard's body: its widgets, from the synthesized template or from the account.

The format is "Dashboard body structure and syntax" of the CloudWatch API reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assurance.permissions.templates import Templates
from ops.console.failure import OpsError

Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Widget:
    """A widget, in CloudWatch's grid of 24 columns.

    Attributes:
        kind: such as ``metric``; CloudWatch's ``type``.
        properties: as CloudWatch takes them.
    """

    kind: str
    x: int
    y: int
    width: int
    height: int
    properties: Json

    @property
    def title(self) -> str:
        return str(self.properties.get("title", ""))

    @property
    def alarms(self) -> Sequence[str]:
        """The names of the alarms whose states it shows."""
        return [arn.rsplit(":", 1)[-1] for arn in self.properties.get("alarms", [])]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A line of a metric widget.

    Attributes:
        identifier: by which expressions name it.
        label: empty where CloudWatch is to make one up.
        expression: of metric math; a metric has none.
        namespace, name, dimensions, statistic: of the metric; empty for an expression.
        period: in seconds.
    """

    identifier: str
    label: str
    expression: str
    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str
    period: int
    visible: bool


def widgets(body: Json) -> list[Widget]:
    """Those of a body, from top to bottom and left to right."""
    found = [
        Widget(
            kind=each["type"],
            x=each.get("x", 0),
            y=each.get("y", 0),
            width=each.get("width", 6),  # CloudWatch's defaults
            height=each.get("height", 6),
            properties=each["properties"],
        )
        for each in body["widgets"]
    ]
    return sorted(found, key=lambda widget: (widget.y, widget.x))


def metrics(widget: Widget) -> list[Metric]:
    """The lines of a metric widget.

    Raises:
        OpsError: they are written in CloudWatch's short hand, which the CDK does not write.
    """
    found = []
    for number, row in enumerate(widget.properties.get("metrics", [])):
        *path, options = row if isinstance(row[-1], dict) else [*row, {}]
        if any(part in (".", "...") for part in path):
            raise OpsError(f"the metrics of {widget.title!r} refer to those above by dots")
        namespace, name, *pairs = path or ("", "")
        found.append(
            Metric(
                identifier=options.get("id", f"line{number}"),
                label=options.get("label", ""),
                expression=options.get("expression", ""),
                namespace=namespace,
                name=name,
                dimensions=dict(zip(pairs[::2], pairs[1::2], strict=True)),
                statistic=options.get("stat", widget.properties.get("stat", "Average")),
                period=options.get("period", widget.properties.get("period", 300)),
                visible=options.get("visible", True),
            )
        )
    return found


def synthesized(assembly: Path) -> tuple[str, Json]:
    """The name and the body of a cloud assembly's dashboard, with what AWS would make of names.

    Raises:
        OpsError: it has none, or several.
    """
    templates = Templates.of(assembly)
    dashboards = list(templates.resources("AWS::CloudWatch::Dashboard"))
    if len(dashboards) != 1:
        raise OpsError(f"{assembly} has {len(dashboards)} dashboards instead of one")
    found = templates.resolved(dashboards[0].properties, dashboards[0].stack)
    return found["DashboardName"], json.loads(found["DashboardBody"])


def plain(markdown: str) -> Iterator[tuple[int, str]]:
    """The lines of a text widget without their marks, each with its level of heading (0: none)."""
    for line in markdown.splitlines():
        hashes, text = re.fullmatch(r"\s*(#*)\s*(.*)", line).groups()  # type: ignore[union-attr]
        text = re.sub(r"\[(.+?)\]\([^)]*\)", r"\1", text)
        if text := re.sub(r"\*\*|__|`", "", text).strip():
            yield len(hashes), text
