"""Metric math, as far as this app's alarms use it (Amazon CloudWatch user guide, "Using math
expressions with CloudWatch metrics").

Every function here works on one point in time, so that an expression can be evaluated minute by
minute. Those that look along a series (``FILL`` with REPEAT or LINEAR, ``DIFF``, ``MAX`` of one
series) are refused: in an alarm they depend on how many datapoints CloudWatch retrieves, which it
does not promise.

An expression is parsed as Python, whose syntax it shares but for the logical operators and ``^``.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Value = float | None
"""None is a missing value of a time series."""


class ExpressionError(ValueError):
    """The expression is none that can be judged here; the text says why."""


@dataclass(frozen=True)
class _Operand:
    """A value, and whether it stands for itself at any time (a scalar) or for a series."""

    value: Value
    is_series: bool


@dataclass(frozen=True)
class Expression:
    """A parsed expression."""

    text: str
    tree: ast.expr

    @classmethod
    def parse(cls, text: str) -> Expression:
        """:raises ExpressionError: if it is no expression that is known here."""
        spelled = re.sub(r"&&|\bAND\b", " and ", text)
        spelled = re.sub(r"\|\||\bOR\b", " or ", spelled).replace("^", "**")
        try:
            tree = ast.parse(spelled.strip(), mode="eval").body
        except SyntaxError as error:
            raise ExpressionError(f"no expression: {text}") from error
        parsed = cls(text, tree)
        # Whatever is unknown in it is told at once, and not when it is first evaluated.
        _evaluated(tree, dict.fromkeys(parsed.names(), 1.0))
        return parsed

    def names(self) -> frozenset[str]:
        """Ids of the metrics and expressions that it uses."""
        called = {
            node.func.id
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        found = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)}
        return frozenset(found - called)

    def at(self, values: Mapping[str, Value]) -> Value:
        """Its value at one time, from those of the series that it names."""
        return _evaluated(self.tree, values).value


_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARISONS: Final[Mapping[type[ast.cmpop], Callable[[float, float], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def _evaluated(node: ast.expr, values: Mapping[str, Value]) -> _Operand:
    match node:
        case ast.Constant(value=bool() | str()):
            raise ExpressionError(f"no number: {ast.unparse(node)}")
        case ast.Constant(value=int() | float()):
            assert isinstance(node.value, int | float)
            return _Operand(float(node.value), is_series=False)
        case ast.Name(id=name):
            if name not in values:
                raise ExpressionError(f"{name} is no metric of the alarm")
            return _Operand(values[name], is_series=True)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            operand = _evaluated(inner, values)
            return _Operand(None if operand.value is None else -operand.value, operand.is_series)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _both(_ARITHMETIC[type(op)], _evaluated(left, values), _evaluated(right, values))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
            return _both(
                _COMPARISONS[type(op)], _evaluated(left, values), _evaluated(right, values)
            )
        case ast.BoolOp(op=op, values=parts):
            holds = all if isinstance(op, ast.And) else any
            operands = [_evaluated(part, values) for part in parts]
            return _pointwise(operands, lambda numbers: float(holds(numbers)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _called(name, arguments, values)
    raise ExpressionError(f"not known in metric math here: {ast.unparse(node)}")


def _both(function: Callable[[float, float], float], left: _Operand, right: _Operand) -> _Operand:
    return _pointwise([left, right], lambda numbers: float(function(*numbers)))


def _pointwise(
    operands: Sequence[_Operand], function: Callable[[Sequence[float]], float]
) -> _Operand:
    """A missing value counts as 0 beside another series' value at that time. Where no series has
    one there is no time to speak of, whatever the scalars are. What would divide by zero is
    dropped."""
    series = [operand.value for operand in operands if operand.is_series]
    if series and all(value is None for value in series):
        return _Operand(None, is_series=True)
    try:
        result = function([operand.value or 0.0 for operand in operands])
    except ZeroDivisionError:
        return _Operand(None, is_series=bool(series))
    return _Operand(result, is_series=bool(series))


def _called(name: str, arguments: Sequence[ast.expr], values: Mapping[str, Value]) -> _Operand:
    match name, arguments:
        case "FILL", [filled, filler]:
            operand, instead = _evaluated(filled, values), _evaluated(filler, values)
            if not operand.is_series:
                raise ExpressionError("FILL is for a time series")
            return _Operand(
                instead.value if operand.value is None else operand.value, is_series=True
            )
        case "IF", [condition, then, *otherwise] if len(otherwise) <= 1:
            return _chosen(
                _evaluated(condition, values),
                _evaluated(then, values),
                _evaluated(otherwise[0], values) if otherwise else _Operand(None, is_series=True),
            )
        case "ABS", [inner]:
            return _pointwise([_evaluated(inner, values)], lambda numbers: abs(numbers[0]))
        case (("SUM" | "MAX" | "MIN" | "AVG"), [ast.List(elts=parts)]) if parts:
            operands = [_evaluated(part, values) for part in parts]
            return _pointwise(operands, _AGGREGATES[name])
    raise ExpressionError(f"not known in metric math here: {name} of {len(arguments)}")


_AGGREGATES: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "SUM": sum,
    "MAX": max,
    "MIN": min,
    "AVG": lambda numbers: sum(numbers) / len(numbers),
}


def _chosen(condition: _Operand, then: _Operand, otherwise: _Operand) -> _Operand:
    """Section "Using IF expressions": a missing condition drops the datapoint, and a missing
    value of the first choice is 0, but one of the second drops it."""
    if condition.value is None:
        return _Operand(None, is_series=True)
    if condition.value:
        return _Operand(then.value or 0.0, is_series=True)
    return _Operand(otherwise.value, is_series=True)
