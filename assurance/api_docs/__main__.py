"""`make docs`: write docs/openapi.yaml, and the tables of docs/payments.md."""

from __future__ import annotations

import sys

from ops.console import ending

if __name__ == "__main__":
    ending.prepare()

from assurance.api_docs.files import written
from ops.console import files


def write() -> None:
    for path, text in written().items():
        files.write(path, text)


if __name__ == "__main__":
    sys.exit(ending.run(write))
