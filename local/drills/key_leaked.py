"""An API key has leaked (docs/runbooks/incidents.md): it is locked out at once, and what asks for a
key gets another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from local import deployed
from local.drills import runbook
from local.drills.payments import approve
from local.drills.report import Drill, Step
from local.drills.site import Site

_CALLS = (("GET", "/status"), ("POST", "/validate"), ("POST", "/process"))


def _key_leaked(site: Site) -> Iterator[Step]:
    site.ensure_deployed()
    former = site.find()
    problems = _problems(site)
    which, lock, hand_over, look = runbook.blocks("incidents.md", "An API key has leaked")
    site.paste(f"API={former.api_url}").require()
    done = runbook.paste(site, which, {"PASTE-THE-VALUE": former.api_key})
    id_ = done.output.strip().rpartition("\n")[2].partition("\t")[0]
    yield runbook.pasted(
        "*Which key?*",
        done,
        expected="the leaked value's id",
        held=id_ == former.outputs["ApiKeyId"],
    )
    yield runbook.pasted("*Lock it out*", runbook.paste(site, lock, {"PASTE-THE-ID": id_}))
    done = runbook.paste(site, hand_over)
    yield runbook.pasted(
        "*Hand over the new key's value*",
        done,
        expected="/status answers",
        held='"operational"' in done.output,
    )
    bodies = {
        "/validate": deployed.payment_request(),
        "/process": {"transaction_id": approve(site.find())},
    }
    refused = {path: former.call(method, path, bodies.get(path)).status for method, path in _CALLS}
    yield Step(
        name="call all three with the old key",
        expected="403 each",
        held=set(refused.values()) == {403},
        seen=str(refused),
    )
    yield from _others(site, former.api_key, problems)
    yield runbook.pasted("*What was done with it?*", runbook.paste(site, look))


def _others(site: Site, leaked: str, problems: set[str]) -> Iterator[Step]:
    """That nothing uses the dead key."""
    key = site.ops("api-key", "show", "--force", "--json").require().document
    own = replace(site.find(), api_key=key["value"])
    yield Step(
        name="python -m ops api-key show",
        expected="another, which the API lets in",
        held=key["value"] != leaked and own.call("GET", "/status").status == 200,
        seen=f"{key['id']} ({key['name']})",
    )
    smoke = site.ops("smoke", "--yes")
    yield Step(
        name="python -m ops smoke",
        expected="payments go through",
        held=smoke.succeeded,
        seen=smoke.output[-300:],
    )
    after = _problems(site)
    yield Step(
        name="python -m ops verify",
        expected="as before",
        held=after == problems,
        seen=", ".join(sorted(after ^ problems)) or f"{len(after)} problems, before and after",
    )


def _problems(site: Site) -> set[str]:
    return {each["what"] for each in site.problems()}


DRILLS = [
    Drill(
        name="key-leaked",
        title="The API key has leaked",
        run=runbook.with_cli(_key_leaked),
        shares=True,
    )
]
