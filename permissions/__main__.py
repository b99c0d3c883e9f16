"""`make docs`: write docs/permissions.md."""

from __future__ import annotations

import sys

from command_line import ending

if __name__ == "__main__":
    ending.prepare()

from command_line import files
from permissions import document

if __name__ == "__main__":
    sys.exit(ending.run(lambda: files.write(document.PATH, document.text())))
