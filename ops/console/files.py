"""Files that are replaced whole: whoever reads one finds it as it was, or as it is to be."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Where to write what `path` is to hold, which it does at the end of the block; if that fails,
    it stays as it was.

    A device or a pipe is written to as it is. A link stays one.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        yield path
        return
    scratch = target.with_name(f".{secrets.token_hex(4)}.{target.name}")
    try:
        yield scratch
        if target.exists():
            scratch.chmod(target.stat().st_mode & 0o7777)
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def write(path: Path, text: str) -> None:
    """Write a text file whole: UTF-8, and ends of lines as they are (raises OSError)."""
    with replaced(path) as scratch, scratch.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        if path.is_file():
            os.fsync(file.fileno())
