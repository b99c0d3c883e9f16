"""R17: the roles, asked of IAM."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from ops.inspection.findings import Finding, judged
from ops.inspection.policies import as_list, statements
from ops.inspection.subjects import Subjects
from ops.production.questions import Clients
from ops.production.stack import every

_DATA: Final = ("dynamodb", "kms", "rds-data", "rds-db", "s3", "secretsmanager", "sns", "sqs")
"""Services in which payments, or what guards them, are kept."""

Item = Mapping[str, Any]


def of_functions(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """Whether each function has a role of its own, with explicit denials."""
    roles = _of_each(clients, subjects)
    if not roles:
        return
    shared = [role for role, uses in Counter(roles.values()).items() if uses > 1]
    yield judged(
        "R17", "roles that functions share", found=shared, needed="none",
        mend="a role for each function: aws lambda update-function-configuration --role",
    )  # fmt: skip
    for name, role in roles.items():
        _, _, own = _policies(clients, role)
        denials = [each for each in own if each["Effect"] == "Deny"]
        yield judged(
            "R17", f"explicit denials of {name}", found=len(denials), needed="some",
            held=bool(denials),
            mend=f"add to role {role} what building_blocks/denials.py denies",
        )  # fmt: skip


def without_stack(clients: Clients, subjects: Subjects) -> Iterator[Finding]:
    """Those of the functions, as there is no stack that tells of others."""
    for role in dict.fromkeys(_of_each(clients, subjects).values()):
        yield from of_role(clients, role)


def of_role(
    clients: Clients, role: str, policies: Collection[str] | None = None
) -> Iterator[Finding]:
    """What a role may have and must not; one finding for each fault, one if there is none.

    Args:
        policies: ARNs of its own, the only ones that it may have; any, without a stack.
    """
    found = clients("iam").get_role(RoleName=role)["Role"]
    inline, attached, own = _policies(clients, role)
    allowed = [each for each in own if each["Effect"] == "Allow"]
    wildcards = sorted({a for each in allowed for a in _actions(each) if _is_wildcard(a)})
    of_all = sorted(
        {
            action
            for each in allowed
            if "*" in as_list(each.get("Resource", "*"))
            for action in _actions(each)
            if _is_of_data(action) and not _is_wildcard(action)
        }
    )
    foreign = [
        each["PolicyName"] for each in attached if each["PolicyArn"].startswith("arn:aws:iam::aws:")
    ]
    added = [] if policies is None else list(_beyond(inline, attached, policies))
    faults = [
        (
            f"policies of {role} besides its own", added,
            f"aws iam delete-role-policy --role-name {role} --policy-name NAME, if it is "
            "inline; else detach-role-policy --policy-arn ARN",
        ),
        (
            f"data actions of {role} on every resource", [] if added else of_all,
            "name the resources: docs/permissions.md tells what needs which",
        ),
        (
            f"wildcard actions of {role}", wildcards,
            "name the actions one by one: docs/permissions.md has them",
        ),
        (
            f"AWS's own policies on {role}", foreign,
            f"aws iam detach-role-policy --role-name {role} --policy-arn ARN, after a policy "
            "with what it needs is attached",
        ),
    ]  # fmt: skip
    wrong = [
        judged("R17", what, found=those, needed="none", held=False, mend=mend)
        for what, those, mend in faults
        if those
    ]
    if "PermissionsBoundary" not in found:
        wrong.append(
            judged(
                "R17", f"permissions boundary of {role}", found=None, needed="one", held=False,
                mend=f"aws iam put-role-permissions-boundary --role-name {role} "
                "--permissions-boundary ARN",
            )
        )  # fmt: skip
    yield from wrong or [
        judged(
            "R17", f"role {role}", found="as needed",
            needed="no policy but its own, no wildcard action, a boundary", held=True, mend="",
        )
    ]  # fmt: skip


def granted(clients: Clients, subjects: Subjects) -> Iterator[tuple[str, Item]]:
    """Each function's name with each statement of its role."""
    for name, role in _of_each(clients, subjects).items():
        _, _, own = _policies(clients, role)
        yield from ((name, each) for each in own)


def _of_each(clients: Clients, subjects: Subjects) -> dict[str, str]:
    """The role's name, by function."""
    functions = clients("lambda")
    return {
        name: functions.get_function_configuration(FunctionName=name)["Role"].rsplit("/", 1)[1]
        for name in subjects.all_functions
    }


def _policies(clients: Clients, role: str) -> tuple[dict[str, Item], list[Item], list[Item]]:
    """A role's: the documents of inline ones by name, the attached ones, and all statements."""
    iam = clients("iam")
    inline = {
        name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in every(iam, "list_role_policies", RoleName=role)
    }
    attached = [*every(iam, "list_attached_role_policies", RoleName=role)]
    documents = [*inline.values()]
    for arn in (each["PolicyArn"] for each in attached):
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
        documents.append(found["Document"])
    return inline, attached, [each for document in documents for each in statements(document)]


def _beyond(
    inline: Mapping[str, Item], attached: Collection[Item], policies: Collection[str]
) -> Iterator[str]:
    """Inline policies, of which the app has none, and attached ones that are not among these."""
    for name, document in inline.items():
        yield f"inline {name} ({', '.join(_rights(document))})"
    for each in attached:
        if each["PolicyArn"] not in policies:
            yield f"attached {each['PolicyArn']}"


def _rights(document: Item) -> list[str]:
    return [
        f"{action} on {', '.join(as_list(each.get('Resource', 'all but some')))}"
        for each in statements(document)
        if each["Effect"] == "Allow"
        for action in _actions(each)
    ]


def _actions(statement: Item) -> list[str]:
    return as_list(statement.get("Action", f"NotAction {statement.get('NotAction')}"))


def _is_wildcard(action: str) -> bool:
    return "*" in action or action.startswith("NotAction")


def _is_of_data(action: str) -> bool:
    """Whether it reads, writes or removes what a service keeps, not only names or describes it."""
    service, _, name = action.partition(":")
    return service.lower() in _DATA and not name.lower().startswith(("list", "describe"))
