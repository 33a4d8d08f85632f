"""What the source of a module says, read without running it.

A row may name a signal in any module of an installed app. To import a module is to run it, so one that no process
needed yet is imported for a row only where its source shows that nothing but definitions would run.
"""

from __future__ import annotations

import ast

DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)
HARMLESS_CALLS = frozenset({
    "Decimal", "NamedTuple", "ParamSpec", "TypeVar", "compile", "date", "datetime", "dict", "frozenset", "getLogger",
    "get_logger", "get_user_model", "gettext", "gettext_lazy", "list", "namedtuple", "set", "timedelta",
    "tuple", "_",
})  # fmt: skip


def declares_signal(source: str, name: str) -> bool:
    """Whether a module assigns a `Signal` to this name (`paid = Signal()`) and does nothing but define things."""
    body = _parsed(source)
    return body is not None and _only_defines(body) and any(_is_signal(statement, name) for statement in body)


def only_defines(source: str) -> bool:
    """Whether to import a module with this source runs nothing but imports, definitions and plain assignments."""
    body = _parsed(source)
    return body is not None and _only_defines(body)


def _parsed(source: str) -> list[ast.stmt] | None:
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _only_defines(body: list[ast.stmt]) -> bool:
    return all(map(_is_definition, body))


def _is_definition(statement: ast.stmt) -> bool:
    if isinstance(statement, DEFINITIONS):
        return True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)  # a docstring
    if isinstance(statement, ast.If):
        return _runs_elsewhere_only(statement.test) and _only_defines(statement.orelse)
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        is_named = all(isinstance(target, ast.Name) for target in targets)
        return is_named and (statement.value is None or _is_harmless(statement.value))
    return False


def _runs_elsewhere_only(test: ast.expr) -> bool:
    """Whether this is `TYPE_CHECKING` or `__name__ == "__main__"`, which no import makes true."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
        sides = [test.left, *test.comparators]
        return any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides) and any(
            isinstance(side, ast.Constant) and side.value == "__main__" for side in sides
        )
    return _last_name(test) == "TYPE_CHECKING"


def _is_harmless(value: ast.expr) -> bool:
    """Whether to evaluate this calls nothing but signals and what is known to be harmless."""
    calls = (node for node in ast.walk(value) if isinstance(node, ast.Call))
    return all(_is_signal_class(call.func) or _last_name(call.func) in HARMLESS_CALLS for call in calls)


def _is_signal(statement: ast.stmt, name: str) -> bool:
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    else:
        return False
    is_named = any(isinstance(target, ast.Name) and target.id == name for target in targets)
    return is_named and isinstance(statement.value, ast.Call) and _is_signal_class(statement.value.func)


def _is_signal_class(function: ast.expr) -> bool:
    return _last_name(function).endswith("Signal")


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""
