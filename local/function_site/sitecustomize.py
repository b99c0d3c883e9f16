"""The resolver of the embedded environment's functions, whose interpreters import this first.

Each RDS instance has a name of its own on AWS, which is gone when the instance is; here all are
`localhost`. So what is gone is told by address and port, in a file.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

_by_itself = socket.getaddrinfo


def _getaddrinfo(host: Any, port: Any, *others: Any, **named: Any) -> Any:
    unknown = Path(os.environ["LOCAL_UNKNOWN_NAMES"])
    if unknown.exists() and f"{host}:{port}\n" in unknown.read_text(encoding="utf-8"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return _by_itself(host, port, *others, **named)


socket.getaddrinfo = _getaddrinfo
