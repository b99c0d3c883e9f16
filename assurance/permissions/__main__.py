"""`make docs`: write docs/permissions.md."""

from __future__ import annotations

import sys

from ops.console import ending

if __name__ == "__main__":
    ending.prepare()

from assurance.permissions import document
from ops.console import files

if __name__ == "__main__":
    sys.exit(ending.run(lambda: files.write(document.PATH, document.text())))
