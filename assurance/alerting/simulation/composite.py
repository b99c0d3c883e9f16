"""Rules on the states of other alarms (Amazon CloudWatch user guide, "Composite alarms"; API
reference, ``PutCompositeAlarm``).

A rule is parsed as Python, whose syntax it shares but for the logical operators.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from assurance.alerting.simulation.evaluation import State


def names(rule: str) -> frozenset[str]:
    """The alarms that a rule is on."""
    return frozenset(
        _name(call.args[0]) for call in ast.walk(_parsed(rule)) if isinstance(call, ast.Call)
    )


def holds(rule: str, states: Mapping[str, State]) -> bool:
    """
    :param states: by the alarms' names.
    :raises ValueError: if the rule is none, or on an alarm that does not exist.
    """
    return _holds(_parsed(rule), states)


def _parsed(rule: str) -> ast.expr:
    spelled = re.sub(r"\b(AND|OR|NOT)\b", lambda word: word[0].lower(), rule)
    try:
        return ast.parse(spelled.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"no rule: {rule}") from error


def _holds(node: ast.expr, states: Mapping[str, State]) -> bool:
    match node:
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_holds(part, states) for part in parts)
        case ast.BoolOp(op=ast.Or(), values=parts):
            return any(_holds(part, states) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return not _holds(inner, states)
        case ast.Name(id="TRUE" | "FALSE" as word):
            return word == "TRUE"
        case ast.Call(func=ast.Name(id=wanted), args=[alarm]) if wanted in list(State):
            name = _name(alarm)
            if name not in states:
                raise ValueError(f"the rule is on {name}, which is no alarm")
            return states[name] is State(wanted)
    raise ValueError(f"not known in a rule: {ast.unparse(node)}")


def _name(node: ast.expr) -> str:
    """Of an alarm, which a rule may also name by its ARN."""
    if not isinstance(node, ast.Constant):
        return ast.unparse(node)
    return re.sub(r"^arn:[^:]*:cloudwatch:[^:]*:[^:]*:alarm:", "", str(node.value))
