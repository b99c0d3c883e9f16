"""The report as HTML: one file that needs nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markupsafe import Markup

from assurance.permissions import document
from ops.console.environment import stack_name
from ops.report import built, costs, requirements
from ops.report.facts import Facts
from ops.report.live import Seen
from ops.report.picture import draw

_FOLDER: Final = Path(__file__).with_name("templates")
_DECISIONS: Final = re.compile(r"<td>((?:implicit |explicit )?(allow|deny))</td>")

_SEAMS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[0-9])(?=[A-Z]+[a-z])|(?<=[/_.:-])(?=\w)")


def render(facts: Facts, seen: Seen | None) -> str:
    """The whole file, with what AWS says if it was asked.

    It is well-formed XML too, so that a strict parser can be asked about it.
    """
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["usd"] = lambda value: f"{value:,.2f}"
    environment.filters["price"] = _price
    environment.filters["path"] = built.path
    environment.filters["kind"] = built.kind
    environment.filters["layer"] = built.layer
    environment.filters["breakable"] = _breakable
    environment.globals |= {
        "assumptions": costs.ASSUMPTIONS,
        "controls": requirements.CONTROLS,
        "layers": built.LAYERS,
        "tests_file": requirements.TESTS,
        "stack": stack_name(),
    }
    return environment.get_template("report.html.j2").render(
        facts=facts,
        seen=seen,
        built=facts.built,
        picture=draw(facts.built),
        permissions=_permissions(),
        style=Markup((_FOLDER / "style.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
    )


def _permissions() -> Markup:
    """docs/permissions.md as it is made from the matrix, with its headings one level lower."""
    text = document.text().partition("\n\nEach line is")
    markdown = MarkdownIt("commonmark", {"xhtmlOut": True, "html": False}).enable("table")
    tokens = markdown.parse(f"Each line is{text[2]}")
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{int(token.tag[1]) + 1}"
    renderer = markdown.renderer
    assert isinstance(renderer, RendererHTML)
    html = renderer.render(tokens, markdown.options, {})
    html = html.replace("<table>", '<div class="scroll" tabindex="0"><table class="matrix">')
    html = html.replace("</table>", "</table></div>").replace("<th>", '<th scope="col">')
    html = _DECISIONS.sub(r'<td class="\2">\1</td>', html)
    html = re.sub(
        r"<code>([\w:*-]+)</code>", lambda found: f"<code>{_breakable(found[1])}</code>", html
    )
    return Markup(html)  # noqa: S704 - escaped by the renderer


def _price(usd: float) -> str:
    """With all of its decimals, and two at least."""
    whole, _, decimals = f"{usd:.10f}".rstrip("0").partition(".")
    return f"{whole}.{decimals:0<2}"


def _breakable(text: str) -> Markup:
    """A long name that may be broken where its words meet; not inside the hash at its end."""
    pieces = _SEAMS.sub("\x00", text).split("\x00")
    return Markup("<wbr />").join(pieces)
