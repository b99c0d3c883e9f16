"""An API key has leaked (docs/runbooks/incidents.md): it is locked out at once, and what asks for a
key gets another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from local import deployed
from local.drills import runbook
from local.drills.report import Step, drill
from local.drills.site import Site


@drill("key-leaked", "The API key has leaked")
@runbook.with_cli
def key_leaked(site: Site) -> Iterator[Step]:
    site.ensure_deployed()
    former, problems = site.find(), _problems(site)
    which, lock, hand_over, look = runbook.blocks("incidents.md", "An API key has leaked")
    site.paste(f"API={former.api_url}").require()
    done = runbook.paste(site, which, {"PASTE-THE-VALUE": former.api_key})
    id_ = done.output.strip().rpartition("\n")[2].partition("\t")[0]
    held = id_ == former.outputs["ApiKeyId"]
    yield runbook.pasted("*Which key?*", done, expected="the leaked value's id", held=held)
    yield runbook.pasted("*Lock it out*", runbook.paste(site, lock, {"PASTE-THE-ID": id_}))
    done = runbook.paste(site, hand_over)
    held = '"operational"' in done.output
    what = "*Hand over the new key's value*"
    yield runbook.pasted(what, done, expected="/status answers", held=held)
    transaction = {"transaction_id": deployed.approve(site.find())}
    answers = {
        "/status": former.call("GET", "/status"),
        "/validate": former.call("POST", "/validate", deployed.payment_request()),
        "/process": former.call("POST", "/process", transaction),
    }
    refused = {path: answer.status for path, answer in answers.items()}
    held = set(refused.values()) == {403}
    yield Step("call all three with the old key", "403 each", held, str(refused))
    yield from _others(site, former.api_key, problems)
    yield runbook.pasted("*What was done with it?*", runbook.paste(site, look))


def _others(site: Site, leaked: str, problems: set[str]) -> Iterator[Step]:
    """That nothing uses the dead key."""
    key = site.ops("api-key", "show", "--force", "--json").require().document
    own = replace(site.find(), api_key=key["value"])
    yield Step(
        "python -m ops api-key show",
        "another, which the API lets in",
        key["value"] != leaked and own.call("GET", "/status").status == 200,
        f"{key['id']} ({key['name']})",
    )
    smoke = site.ops("smoke", "--yes")
    yield Step("python -m ops smoke", "payments go through", smoke.succeeded, smoke.told)
    after = _problems(site)
    seen = ", ".join(sorted(after ^ problems)) or f"{len(after)} problems, before and after"
    yield Step("python -m ops verify", "as before", after == problems, seen)


def _problems(site: Site) -> set[str]:
    return {each["what"] for each in site.problems()}
