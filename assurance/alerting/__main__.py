"""`make docs`: write the tables of docs/observability.md and of docs/runbooks/README.md."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from ops.console import ending

if __name__ == "__main__":
    ending.prepare()

from aws_cdk import App

from app import build, empty
from assurance.alerting.document import PROJECT, written
from assurance.alerting.scenarios.catalogue import SCENARIOS
from assurance.alerting.scenarios.verdict import row
from assurance.alerting.simulation.definitions import Definitions
from assurance.permissions.templates import Templates
from nested.observability import ObservabilityNestedStack
from ops.console import files


def write() -> None:
    context = json.loads((PROJECT / "cdk.json").read_text(encoding="utf-8"))["context"]
    with tempfile.TemporaryDirectory() as folder:
        stack = build(empty(outdir=folder, context=context))
        layer = stack.node.find_child("ObservabilityNestedStack")
        assert isinstance(layer, ObservabilityNestedStack)
        app = stack.node.root
        assert isinstance(app, App)
        app.synth()
        definitions = Definitions.of(Templates.of(Path(folder)))
        rows = [row(definitions, scenario) for scenario in SCENARIOS]
        for path, text in written(layer.layer.alerts, rows).items():
            files.write(path, text)


if __name__ == "__main__":
    sys.exit(ending.run(write))
