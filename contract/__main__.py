"""`make docs`: write docs/openapi.yaml, and the tables of docs/payments.md."""

from __future__ import annotations

from contract.files import written

if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text)
