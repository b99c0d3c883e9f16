"""The API's address of its own: its certificate, and where it leads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from botocore.exceptions import ClientError

from ops.console.checks import Check, judged, unseen
from ops.console.failure import code
from ops.production.payments_api import PaymentsApi
from ops.production.questions import Clients

DOMAIN: Final = "AWS::ApiGateway::DomainName"

_REFUSED: Final = "api_key_required"
"""What the API answers to a call without a key (lambda_code/payments/codes.json)."""

_LEFT: Final = timedelta(days=14)
"""ACM renews its own 60 days before the end, and imports have to be made anew."""


def certificate(clients: Clients, domain: str, arn: str) -> Iterator[Check]:
    """Whether API Gateway can take it for the domain, and clients will."""
    what = f"certificate of {domain}"
    needed = f"issued, in this account and us-east-1, for {domain}, with {_LEFT.days} days left"
    request = (
        f"aws acm request-certificate --validation-method DNS --domain-name {domain}, make the "
        "record that it asks for (aws acm describe-certificate), and deploy with its ARN as "
        "certificate_arn"
    )
    try:
        found = clients("acm").describe_certificate(CertificateArn=arn)["Certificate"]
    except ClientError as error:
        if code(error) not in ("AccessDeniedException", "ResourceNotFoundException"):
            raise
        told = f"{arn} is not to be found ({code(error)})"
        yield judged(what, found=told, needed=needed, held=False, mend=request)
        return
    names = {found["DomainName"], *found.get("SubjectAlternativeNames", [])}
    end = found.get("NotAfter")
    expired = end is not None and end - datetime.now(UTC) < _LEFT
    faults = [
        *([found["Status"]] if found["Status"] != "ISSUED" else []),
        *([f"for {', '.join(sorted(names))}"] if not any(covers(n, domain) for n in names) else []),
        *([f"ends {end:%Y-%m-%d}"] if expired else []),
    ]
    yield judged(
        what, found="; ".join(faults) or (f"issued, until {end:%Y-%m-%d}" if end else "issued"),
        needed=needed, held=not faults, mend=request,
    )  # fmt: skip


def covers(name: str, domain: str) -> bool:
    """Whether a certificate's name is the domain's: `*.` stands for one label (RFC 6125)."""
    name = name.lower()
    return name == domain or (name.startswith("*.") and name[2:] == domain.partition(".")[2])


def reached(clients: Clients, domain: str, api: str) -> Iterator[Check]:
    """Whether clients who call the domain reach the API, over TLS 1.2 or later."""
    gateway = clients("apigateway")
    found = gateway.get_domain_name(domainName=domain)
    policy = found.get("securityPolicy", "none")
    yield judged(
        f"TLS of {domain}", found=policy, needed="1.2 or later",
        held=policy == "TLS_1_2" or policy.startswith("SecurityPolicy_TLS1"),
        mend=f"aws apigateway update-domain-name --domain-name {domain} --patch-operations "
        "op=replace,path=/securityPolicy,value=TLS_1_2",
    )  # fmt: skip
    yield from certificate(clients, domain, found.get("regionalCertificateArn", ""))
    mappings = gateway.get_base_path_mappings(domainName=domain).get("items", [])
    paths = [f"{each['basePath']} to {each['restApiId']}" for each in mappings]
    yield judged(
        f"{domain} leads to", found=", ".join(paths) or "nothing", needed=f"(none) to {api}",
        held=any((e["basePath"], e["restApiId"]) == ("(none)", api) for e in mappings),
        mend=f"aws apigateway create-base-path-mapping --domain-name {domain} --rest-api-id {api} "
        "--stage prod",
    )  # fmt: skip
    target = found.get("regionalDomainName", "")
    what, needed = f"https://{domain}/status without a key", f"403 · {_REFUSED}"
    if clients.emulated:
        yield unseen(what, needed=needed, why="the embedded environment has no DNS")
        return
    # By its answer: the addresses that DNS has for API Gateway change all the time.
    url = f"https://{domain}"
    answer = PaymentsApi(url=url, public_url=url, _key="").call("GET", "/status", with_key=False)
    yield judged(
        what, found=answer.told(), needed=needed, held=answer.body.get("code") == _REFUSED,
        mend=f"in the domain's zone in DNS: an alias (A) of {domain} to {target}, hosted zone "
        f"{found.get('regionalHostedZoneId', '')}, or a CNAME",
    )  # fmt: skip
