"""What an operator is told of a store that is gone, by everything that looks at it."""

from __future__ import annotations

from collections.abc import Iterator

from local.drills.releases import GOOD
from local.drills.report import Step
from local.drills.site import Site


def told(site: Site, way_back: str) -> Iterator[Step]:
    """
    Args:
        way_back: the page that leads back.
    """
    for name, done in {
        "verify": site.ops("verify", "--no-drift", "--json"),
        "preflight": site.operate(GOOD, "preflight", "--json"),
        "plan": site.operate(GOOD, "plan", "--json"),
        "restore-drill": site.ops("restore-drill"),
    }.items():
        text = " ".join(done.output.split())
        place = text.find(way_back)
        yield Step(
            f"python -m ops {name}",
            "says once that it is gone, and where the way back is; never to deploy it anew",
            text.count(way_back) == 1 and "anew" not in text,
            text[max(0, place - 150) : place + len(way_back)] if place >= 0 else text[-300:],
        )
