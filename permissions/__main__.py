"""`make docs`: write docs/permissions.md."""

from __future__ import annotations

from permissions import document

if __name__ == "__main__":
    document.PATH.write_text(document.text())
