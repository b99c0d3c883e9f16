"""What AWS's SDK has to know of the services that payments use, for the functions' packages.

The Lambda runtime's SDK (botocore) describes four hundred services, with their manuals; to read
what one client needs is a tenth of a cold start. The functions bring the same without the texts,
from the SDK that the runtime has or an older one, whose descriptions a newer one reads too
(``lambda_code/payments/requirements.in``).
"""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

_ENDPOINTS = "botocore/data/endpoints.json"
_MODEL = re.compile(r"botocore/data/(?P<name>(?P<service>[^/]+)/[^/]+/(?P<kind>[^/.]+))\.json\.gz")
_KINDS = ("service-2", "endpoint-rule-set-1")


def sdk_models(botocore: Path, services: Collection[str]) -> dict[str, bytes]:
    """The descriptions of these services, by their paths below a search path of botocore's loader.

    :param botocore: its wheel.
    """
    content = {}
    with zipfile.ZipFile(botocore) as wheel:
        for file in wheel.namelist():
            found = _MODEL.fullmatch(file)
            if found and found["service"] in services and found["kind"] in _KINDS:
                described = json.loads(gzip.decompress(wheel.read(file)))
                content[f"{found['name']}.json"] = _written(described)
        endpoints = json.loads(wheel.read(_ENDPOINTS))
    for partition in endpoints["partitions"]:
        known = partition["services"]
        partition["services"] = {name: known[name] for name in services if name in known}
    return content | {"endpoints.json": _written(endpoints)}


def _written(data: object) -> bytes:
    return json.dumps(_without_texts(data), separators=(",", ":")).encode()


def _without_texts(data: Any) -> Any:
    """botocore expects a text in some places, so each stays as an empty one."""
    if isinstance(data, dict):
        return {
            key: "" if key == "documentation" and isinstance(value, str) else _without_texts(value)
            for key, value in data.items()
        }
    return [_without_texts(value) for value in data] if isinstance(data, list) else data
