"""`make docs`: write docs/settings.md, made from config.py."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from ops.console import ending

if __name__ == "__main__":
    ending.prepare()

from config import STAGING, ProductionConfig, allowed, reason
from ops.console import files

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "settings.md"

_HEAD = """# Settings

What may be decided without changing code: `-c NAME=VALUE` overrides the context of `cdk.json`,
and that the default. `-c environment=staging` chooses the defaults of staging, and the stack
`PaymentsStaging`; what `cdk.json` has under `"production"` or `"staging"` holds for that
environment alone. A value that is not allowed, values that do not fit together, and names that
are neither here nor the CDK's own stop the synthesis, with all mistakes in one message. This page
is made from `config.py` by `make docs`.

| setting | default | in staging | allowed | why |
|---|---|---|---|---|
"""


def text() -> str:
    """The page: a row a setting."""
    rows = []
    for name, default in ProductionConfig():
        shown = ",".join(default) if isinstance(default, tuple) else str(default)
        staging = f"`{STAGING[name]}`" if name in STAGING else ""
        rows.append(f"| `{name}` | `{shown}` | {staging} | {allowed(name)} | {reason(name)} |\n")
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    sys.exit(ending.run(lambda: files.write(PAGE, text())))
