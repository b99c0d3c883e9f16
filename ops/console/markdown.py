"""Tables of pages in Markdown that are made from code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def renewed(page: str, tables: Mapping[str, str]) -> str:
    """The page with its tables made anew, which stand between the marks ``<!-- name -->`` and
    ``<!-- /name -->``.

    Raises:
        ValueError: a table has no marks.
    """
    for name, text in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, mark, rest = page.partition(begin)
        _, ended, after = rest.partition(end)
        if not (mark and ended):
            raise ValueError(f"no place for the table of {name}: {begin.strip()} … {end}")
        page = f"{before}{begin}{text}{end}{after}"
    return page
