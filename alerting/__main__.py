"""`make docs`: write the tables of docs/observability.md and of docs/runbooks/README.md."""

from __future__ import annotations

import json
import tempfile

from aws_cdk import App

from alerting.document import PROJECT, written
from app import build
from nested.observability import ObservabilityNestedStack

if __name__ == "__main__":
    context = json.loads((PROJECT / "cdk.json").read_text())["context"]
    with tempfile.TemporaryDirectory() as folder:
        stack = build(App(outdir=folder, analytics_reporting=False, context=context))
        layer = stack.node.find_child("ObservabilityNestedStack")
        assert isinstance(layer, ObservabilityNestedStack)
        for path, text in written(layer.layer.alerts).items():
            path.write_text(text)
