"""R1 (the functions' Python), R5 to R8: the functions, asked of Lambda, and the API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from building_blocks.operations import OPERATIONS
from ops.console.failure import or_none
from ops.inspection.findings import Finding, judged, problem
from ops.inspection.subjects import Subjects
from ops.production.address import DOMAIN, reached
from ops.production.questions import Clients
from ops.production.stack import every
from ops.production.templates import properties

_MEMORY_MB: Final = 512
_TIMEOUT_SECONDS: Final = 30
_OLDEST_PYTHON: Final = (3, 8)
_PATHS: Final = {each.path: each.function for each in OPERATIONS} | {"/status": ""}
"""R7: the function of R5 behind each path; of the status none is asked for."""

_ALL_METHODS: Final = "*/*"
_THROTTLE: Final = ("rateLimit", "burstLimit")

Item = Mapping[str, Any]


def functions(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """R1, R5, R6; R5 asks of its three functions only."""
    declared = properties(clients, subjects.stack, "AWS::Lambda::Function")
    for name in subjects.all_functions:
        found = clients("lambda").get_function_configuration(FunctionName=name)
        update = f"aws lambda update-function-configuration --function-name {name} "
        runtime = found.get("Runtime", "a container image")
        version = re.fullmatch(r"python(\d+)\.(\d+)", runtime)
        yield judged(
            "R1", f"runtime of {name}", found=runtime, needed="Python 3.8 or higher",
            held=version is not None and (int(version[1]), int(version[2])) >= _OLDEST_PYTHON,
            mend=update + "--runtime python3.14",
        )  # fmt: skip
        if name not in subjects.others:
            yield judged(
                "R5", f"memory of {name}", found=f"{found['MemorySize']} MB",
                needed=f"{_MEMORY_MB} MB", mend=update + f"--memory-size {_MEMORY_MB}",
            )  # fmt: skip
            yield judged(
                "R5", f"time limit of {name}", found=f"{found['Timeout']} s",
                needed=f"{_TIMEOUT_SECONDS} s", mend=update + f"--timeout {_TIMEOUT_SECONDS}",
            )  # fmt: skip
        concurrency = clients("lambda").get_function_concurrency(FunctionName=name)
        reserved = concurrency.get("ReservedConcurrentExecutions")
        wanted = declared.get(name, {}).get("ReservedConcurrentExecutions")
        yield judged(
            "R6", f"reserved concurrency of {name}", found=reserved,
            needed=wanted or "some, above 0",
            held=reserved == wanted if wanted else bool(reserved),
            mend=f"aws lambda put-function-concurrency --function-name {name} "
            "--reserved-concurrent-executions NUMBER (config.py has production's)",
        )  # fmt: skip


def api(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """R7, R8."""
    if not subjects.api:
        return
    gateway = clients("apigateway")
    resources = _resources(gateway, subjects.api)
    for path, function in _PATHS.items():
        methods = resources.get(path, {}).get("resourceMethods", {})
        leads = [
            _target(gateway, subjects.api, resources[path]["id"], verb)
            for verb in methods
            if verb != "OPTIONS"
        ]
        needed = subjects.functions.get(function, function) if function else "an answer"
        held = bool(leads) and all(is_of(each, needed) if function else each for each in leads)
        yield judged(
            "R7", f"{path} leads to", found=[_shown(each) for each in leads] or "nothing",
            needed=needed, held=held,
            mend="put the resource, its method and a proxy integration, then aws apigateway "
            f"create-deployment --rest-api-id {subjects.api} --stage-name STAGE",
        )  # fmt: skip
    stages = gateway.get_stages(restApiId=subjects.api)["item"]
    without = [
        (each["id"], verb, path)
        for path, each in resources.items()
        for verb, method in each.get("resourceMethods", {}).items()
        if verb != "OPTIONS" and not _requires_key(gateway, subjects.api, each["id"], verb, method)
    ]
    update = f"aws apigateway update-method --rest-api-id {subjects.api} --resource-id"
    change = "--patch-operations op=replace,path=/apiKeyRequired,value=true"
    deploy = f"aws apigateway create-deployment --rest-api-id {subjects.api}"
    commands = [f"{update} {id_} --http-method {verb} {change}" for id_, verb, _ in without]
    commands += [f"{deploy} --stage-name {stage['stageName']}" for stage in stages]
    yield judged(
        "R8", "methods without an API key", needed="none", mend=" && ".join(commands),
        found=[f"{verb} {path}" for _, verb, path in without],
    )  # fmt: skip
    if not stages:
        yield problem(
            "R7", "stage", found="none: the API cannot be called", needed="one", mend=deploy
        )
    for domain in (each.name for each in subjects.stack if each.type == DOMAIN):
        for check in reached(clients, domain, subjects.api):
            yield Finding(requirement="R7", **vars(check))
    limits = properties(clients, subjects.stack, "AWS::ApiGateway::Stage")
    plans = properties(clients, subjects.stack, "AWS::ApiGateway::UsagePlan")
    for stage in stages:
        yield from _throttled(stage, subjects.api, limits.get(stage["stageName"], {}))
        yield from _planned(clients, subjects.api, stage["stageName"], plans)
        yield _guarded(clients, subjects.api, stage["stageName"])


def paths_besides(clients: Clients, api_id: str) -> Iterator[str]:
    """Paths with methods that R7 does not have."""
    for path, each in _resources(clients("apigateway"), api_id).items():
        if each.get("resourceMethods") and path not in _PATHS:
            yield path


def _resources(gateway: Any, api_id: str) -> dict[str, Item]:
    """By path, with the methods."""
    return {
        each["path"]: each
        for each in every(gateway, "get_resources", restApiId=api_id, embed=["methods"])
    }


def _throttled(stage: Item, api_id: str, declared: Item) -> Iterator[Finding]:
    """
    Args:
        declared: the stage's properties in the template; nothing without a stack.
    """
    name = stage["stageName"]
    found = {_method(key): each for key, each in stage.get("methodSettings", {}).items()}
    settings = found.get(_ALL_METHODS, {})
    rate, burst = settings.get("throttlingRateLimit", 0), settings.get("throttlingBurstLimit", 0)
    # Without a limit of its own, AWS tells -1 or leaves it out: then the account's holds.
    held = rate > 0 and burst > 0
    yield judged(
        "R8", f"throttle of stage {name}",
        found=f"{rate:g}/s, burst {burst}" if held else "the account's only",
        needed="one of its own", held=held,
        mend=f"aws apigateway update-stage --rest-api-id {api_id} --stage-name {name} "
        "--patch-operations 'op=replace,path=/*/*/throttling/rateLimit,value=RATE' and "
        "burstLimit",
    )  # fmt: skip
    for method in declared.get("MethodSettings", []):
        if "ThrottlingRateLimit" not in method:
            continue
        where = _method(f"{method['ResourcePath']}/{method['HttpMethod']}")
        limits = (method["ThrottlingRateLimit"], method.get("ThrottlingBurstLimit"))
        of_method = found.get(where, {})
        yield judged(
            "R8", f"configured throttle of {where} in stage {name}", needed=_limits(*limits),
            found=_limits(
                of_method.get("throttlingRateLimit"), of_method.get("throttlingBurstLimit")
            ),
            mend=f"aws apigateway update-stage --rest-api-id {api_id} --stage-name {name} "
            "--patch-operations op=replace,path=/RESOURCE/METHOD/throttling/rateLimit,value="
            f"{limits[0]} and burstLimit,value={limits[1]} (a / in RESOURCE is written ~1)",
        )  # fmt: skip


def _method(key: str) -> str:
    """Of a key of the method settings, such as ``~1validate/POST``: ``validate/POST``."""
    return key.replace("~1", "/").lstrip("/")


def _limits(rate: float | None, burst: int | None) -> str:
    if rate is None or burst is None:
        return "none"
    return f"{rate:g}/s, burst {burst}"


def _planned(
    clients: Clients, api_id: str, stage: str, declared: Mapping[str, Item]
) -> Iterator[Finding]:
    """
    Args:
        declared: the plans' properties in the template, by their ids; nothing without a stack.
    """
    gateway = clients("apigateway")
    plans = [
        plan
        for plan in every(gateway, "get_usage_plans")
        if (api_id, stage) in [(e["apiId"], e["stage"]) for e in plan.get("apiStages", [])]
    ]
    if not plans:
        yield problem(
            "R8", f"usage plan of stage {stage}", found="none: no API key is taken",
            needed="one with a throttle",
            mend=f"aws apigateway create-usage-plan --api-stages apiId={api_id},stage={stage} "
            "--throttle rateLimit=RATE,burstLimit=BURST",
        )  # fmt: skip
    for plan in plans:
        throttle = plan.get("throttle", {})
        found = _limits(throttle.get("rateLimit"), throttle.get("burstLimit"))
        wanted = declared.get(plan["id"], {}).get("Throttle", {})
        needed = _limits(wanted.get("RateLimit"), wanted.get("BurstLimit"))
        yield judged(
            "R8", f"throttle of usage plan {plan['id']}", found=found,
            needed=needed if wanted else "one for each API key",
            held=found == needed if wanted else all(throttle.get(e, 0) > 0 for e in _THROTTLE),
            mend=f"aws apigateway update-usage-plan --usage-plan-id {plan['id']} "
            "--patch-operations op=replace,path=/throttle/rateLimit,value=RATE and burstLimit",
        )  # fmt: skip
        ids = [each["id"] for each in every(gateway, "get_usage_plan_keys", usagePlanId=plan["id"])]
        enabled = [each for each in ids if gateway.get_api_key(apiKey=each)["enabled"]]
        yield judged(
            "R8", f"enabled API keys of usage plan {plan['id']}", found=len(enabled),
            needed="one at least", held=bool(enabled),
            mend="aws apigateway create-api-key --enabled, then create-usage-plan-key",
        )  # fmt: skip


def _guarded(clients: Clients, api_id: str, stage: str) -> Finding:
    arn = f"arn:aws:apigateway:{clients('apigateway').meta.region_name}::/restapis/{api_id}"
    ask = partial(clients("wafv2").get_web_acl_for_resource, ResourceArn=f"{arn}/stages/{stage}")
    found = or_none(ask, "WAFNonexistentItemException") or {}
    firewall = found.get("WebACL", {}).get("Name")
    return judged(
        "R8", f"web firewall of stage {stage}", found=firewall, needed="one", held=bool(firewall),
        mend=f"aws wafv2 associate-web-acl --web-acl-arn ARN --resource-arn {arn}/stages/{stage}",
    )  # fmt: skip


def _target(gateway: Any, api_id: str, resource: str, verb: str) -> str:
    """The integration's address; such as ``MOCK`` where there is none."""
    of = {"restApiId": api_id, "resourceId": resource, "httpMethod": verb}
    found = or_none(partial(gateway.get_integration, **of), "NotFoundException")
    return str(found.get("uri") or found["type"]) if found else ""


def is_of(uri: str, function: str) -> bool:
    """Whether an ARN, or an integration's address, is of a function or of its alias."""
    return bool(re.search(rf":function:{re.escape(function)}(?:[:/]|$)", uri))


def _shown(uri: str) -> str:
    found = re.search(r":function:([^/]+)", uri)
    return found[1] if found else uri or "nothing"


def _requires_key(gateway: Any, api_id: str, resource: str, verb: str, method: Item) -> bool:
    if "apiKeyRequired" not in method:
        method = gateway.get_method(restApiId=api_id, resourceId=resource, httpMethod=verb)
    return bool(method["apiKeyRequired"])
