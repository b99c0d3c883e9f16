"""`make docs`: write the tables of docs/observability.md and of docs/runbooks/README.md."""

from __future__ import annotations

import json
import sys
import tempfile

from command_line import ending

if __name__ == "__main__":
    ending.prepare()

from aws_cdk import App

from alerting.document import PROJECT, written
from app import build
from command_line import files
from nested.observability import ObservabilityNestedStack


def write() -> None:
    context = json.loads((PROJECT / "cdk.json").read_text(encoding="utf-8"))["context"]
    with tempfile.TemporaryDirectory() as folder:
        stack = build(App(outdir=folder, analytics_reporting=False, context=context))
        layer = stack.node.find_child("ObservabilityNestedStack")
        assert isinstance(layer, ObservabilityNestedStack)
        for path, text in written(layer.layer.alerts).items():
            files.write(path, text)


if __name__ == "__main__":
    sys.exit(ending.run(write))
