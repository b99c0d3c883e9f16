"""`dashboard`: the CloudWatch dashboard as a picture."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.console import files, terminal
from ops.console.failure import OpsError
from ops.console.settings import AssemblyOption, JsonOption
from ops.console.terminal import escape
from ops.production.assembly import at_hand
from ops.production.stack import REGION, Production

if TYPE_CHECKING:
    from ops.dashboard.body import Json
    from ops.dashboard.data import Source
    from ops.dashboard.picture import Picture

_DEFAULT = Path("docs/dashboard.png")


def command(
    output: Annotated[
        Path, typer.Option("--output", "-o", dir_okay=False, help="The PNG file to write.")
    ] = _DEFAULT,
    live: Annotated[
        bool,
        typer.Option(
            "--live/--sample",
            help="The deployed dashboard with what CloudWatch has, or the dashboard of the "
            "templates with made-up data.",
        ),
    ] = False,
    assembly: AssemblyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw the CloudWatch dashboard as a picture.

    With sample data, which needs no credentials, the picture says so. Widgets that cannot be drawn
    are told, in the picture and on the error output.
    """
    told = terminal.told()
    if live and assembly is not None:
        raise OpsError("--live draws what is deployed: --assembly has no effect on it")
    with told.status("asking CloudWatch" if live else "drawing"):
        picture = _live() if live else _sample(assembly)
        output.parent.mkdir(parents=True, exist_ok=True)
        with files.replaced(output) as scratch:
            picture.save(scratch)
    for remark in picture.remarks:
        told.print(f"[yellow]note:[/] {escape(remark)}", soft_wrap=True)
    size = output.stat().st_size
    if as_json:
        document = {
            "file": str(output),
            "bytes": size,
            "data": "live" if live else "sample",
            "widgets": [{"kind": each.kind, "title": each.title} for each in picture.widgets],
            "remarks": picture.remarks,
        }
        typer.echo(json.dumps(document))
    else:
        terminal.out().print(f"{escape(str(output))} ({size // 1024} KiB)", soft_wrap=True)


def _sample(assembly: Path | None) -> Picture:
    # Imported where they are needed: the other commands need not wait for matplotlib.
    from ops.dashboard.body import synthesized
    from ops.dashboard.data import Samples, span

    with at_hand(assembly) as made:
        name, body = synthesized(made.folder)
    since = span(body)
    return _drawn(name, body, Samples(since), "sample data, of no real system", since)


def _live() -> Picture:
    from ops.dashboard.data import Live, now, span

    production = Production.find()
    cloudwatch = production.client("cloudwatch")
    name = production.output("DashboardName")
    try:
        text = cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"]
    except cloudwatch.exceptions.ResourceNotFound:
        raise OpsError(
            f"the dashboard {name} is gone: put it back by hand, with the body that the template "
            f"has (aws cloudwatch put-dashboard --dashboard-name {name}); a deployment of an "
            "unchanged template does not"
        ) from None
    body = json.loads(text)
    since, moment = span(body), now()
    place = "embedded environment" if production.emulated else REGION
    caption = f"{place}, {moment:%Y-%m-%d %H:%M} UTC"
    return _drawn(name, body, Live(cloudwatch, since, moment), caption, since)


def _drawn(name: str, body: Json, source: Source, caption: str, since: timedelta) -> Picture:
    from ops.dashboard.body import widgets
    from ops.dashboard.picture import draw

    return draw(widgets(body), source, name=name, caption=caption, since=since)
