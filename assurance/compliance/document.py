"""docs/acknowledgements.md, made from the acknowledgements."""

from __future__ import annotations

from itertools import groupby

from assurance.compliance.acknowledgements import ACKNOWLEDGEMENTS

_HEAD = """# Accepted findings

Every synthesis runs cdk-nag's packs `AwsSolutions`, `PCI DSS 3.2.1`, `NIST 800-53 R5` and
`Serverless`, and the app's own rules, and fails on any finding that is not listed here. This page
is made from `assurance/compliance/acknowledgements.py` by `make docs`; a test fails when an entry
matches no finding any more.
"""


def text() -> str:
    """The page: a section a resource, a row a reason."""
    lines = [_HEAD, f"{len(ACKNOWLEDGEMENTS)} findings are accepted."]
    for resource, of_resource in groupby(sorted(ACKNOWLEDGEMENTS), key=lambda item: item.resource):
        shown = resource.removeprefix("PaymentsProd/").removesuffix("/Resource")
        lines += ["", f"## {shown}", "", "| finding | reason |", "|---|---|"]
        reasons: dict[str, list[str]] = {}
        for item in of_resource:
            reasons.setdefault(item.reason, []).append(f"`{item.rule}`")
        lines += [f"| {'<br>'.join(rules)} | {reason} |" for reason, rules in reasons.items()]
    return "\n".join(lines) + "\n"
