"""Where what is known of one payment contradicts itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ops.console.checks import Check, problem
from payments.states import KEYS, REQUEST_TIMESTAMP, SHOWN, is_posting
from reconciliation.history import Item, faults, request_of, shortened
from reconciliation.ledger import terms

CHANGED: Final = "nobody may change history: see docs/runbooks/business.md#history-changed"
_TERMS: Final = ("amount", "currency", "merchant_id")


def contradictions(
    items: Iterable[Item], entry: Mapping[str, Any] | None, inserted: Mapping[int, Item]
) -> Iterator[Check]:
    """Each item beside the ledger's entry, the request, and what the audit trail has of it.

    Args:
        items: the history's.
        entry: of reconciliation.ledger.Ledger.payment.
        inserted: by timestamp, items as the audit trail has them.
    """
    items = list(items)
    request = request_of(items)
    of_entry = terms(entry) if entry else {}
    for item in items:
        at = item["timestamp"]
        what = f"history item {item.get('state', at)}"
        if wrong := faults(item):
            found = "; ".join(wrong.values())
            yield problem(f"{what}, form", found, CHANGED)
        audited = inserted.get(at, {})
        others: tuple[tuple[str, Mapping[str, Any], Iterable[str]], ...] = (
            ("ledger", of_entry, _of_ledger(item) if of_entry else ()),
            ("request", request, sorted((item.keys() & request.keys()) - set(KEYS))),
            ("audit trail", audited, SHOWN if audited else ()),
        )
        tellers: dict[str, list[str]] = {}
        for teller, other, names in others:
            for name in names:
                mine, theirs = item.get(name), other.get(name)
                if mine != theirs:
                    told = f"{name} {_value_text(mine)}, but {_value_text(theirs)}"
                    tellers.setdefault(told, []).append(teller)
        if tellers:
            found = "; ".join(f"{told} in {', '.join(by)}" for told, by in tellers.items())
            yield problem(f"{what}, terms", found, CHANGED)


def _of_ledger(item: Item) -> Iterable[str]:
    if is_posting(item):
        return (*_TERMS, "entry_id")
    return _TERMS if item["timestamp"] == REQUEST_TIMESTAMP else ()


def _value_text(value: Any) -> str:
    return "none" if value is None else shortened(value)
