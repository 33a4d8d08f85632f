"""Paths that stand in a row: of a signal, of a serializer.

To import a module is to run it, and people who may create hooks write rows. So a path leads to what this process has
loaded, or into a module of an installed app that is named for its purpose (`signals`, `serializers`), or, for a signal,
into one whose source shows that importing it runs nothing but definitions, the signal's among them.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

from django.apps import apps
from django.dispatch import Signal

from heliostat.events.signals import as_signal
from heliostat.exceptions import ConfigurationError
from heliostat.suggestions import did_you_mean
from heliostat.webhooks.exceptions import InvalidSerializerError

OR_DEFINES = ", or whose source does nothing but define things, a Signal of this name among them"
HARMLESS_DECORATORS = frozenset({
    "abstractmethod", "cached_property", "classmethod", "dataclass", "final", "overload", "property", "staticmethod",
    "total_ordering", "unique",
})  # fmt: skip
HARMLESS_CALLS = HARMLESS_DECORATORS | {
    "Decimal", "NamedTuple", "ParamSpec", "TypeVar", "auto", "compile", "date", "datetime", "dict", "field",
    "frozenset", "getLogger", "get_logger", "get_user_model", "gettext", "gettext_lazy", "list", "namedtuple", "set",
    "timedelta", "tuple", "_",
}  # fmt: skip
IN_MAIN = ("__name__ == '__main__'", "'__main__' == __name__")


def signal_in_row(path: str) -> Signal:
    """Return the signal at a path in a row; raise `ConfigurationError` where there is none that it may lead to."""
    return as_signal(object_at(path, "signals"), path)


def leads_to_signal(path: str) -> bool:
    """Return whether there is a signal at this path. Imports nothing: reads the source of what is not loaded."""
    name, _, attribute = path.rpartition(".")
    if (module := sys.modules.get(name)) is not None:
        return isinstance(vars(module).get(attribute), Signal)
    return _declares_signal(name, attribute)


@cache
def serializer_at(path: str) -> Any:
    """Return a serializer of this class, kept: making one costs ten times its use."""
    return object_at(path, "serializers")()


def check_serializer(path: str) -> None:
    """Raise `InvalidSerializerError` where a path leads to no class with the method `to_representation`."""
    try:
        found = object_at(path, "serializers")
    except ConfigurationError as error:
        raise InvalidSerializerError(f"The serializer {error}") from error
    if not isinstance(found, type) or not callable(getattr(found, "to_representation", None)):
        raise InvalidSerializerError(f"“{path}” is no serializer, that is a class with to_representation(instance).")
    try:
        serializer_at(path)
    except Exception as error:
        raise InvalidSerializerError(f"The serializer “{path}” cannot be made without arguments: {error}") from error


def object_at(path: str, purpose: str) -> Any:
    """Return what a path in a row leads to; raise `ConfigurationError` where it leads nowhere it may lead to."""
    name, _, attribute = path.rpartition(".")
    if sys.modules.get(name) is None:
        is_for_purpose = any(purpose in parts and specs for parts, specs in _found_in_apps(name))
        if not is_for_purpose and not (purpose == "signals" and _declares_signal(name, attribute)):
            raise ConfigurationError(
                f"{name!r} cannot be imported: a hook may lead to what is loaded already, and to modules of installed "
                f"apps that are named {purpose}{OR_DEFINES if purpose == 'signals' else ''}. Import it in your "
                "AppConfig.ready()."
            )
        try:
            import_module(name)
        except Exception as error:  # whatever the module raises while it is imported
            raise ConfigurationError(f"{name!r} cannot be imported: {error}") from error
    found = vars(sys.modules[name])  # getattr() could run code of the module
    if attribute not in found:
        raise ConfigurationError(
            f"{path!r} cannot be imported: {name} has no {attribute!r}.{did_you_mean(attribute, found)}"
        )
    return found[attribute]


def _declares_signal(name: str, attribute: str) -> bool:
    """Return whether the source of a module of an installed app only defines things, this signal among them."""
    for _, specs in _found_in_apps(name):
        if specs and declares_signal(_source(specs[-1]), attribute):
            return all(only_defines(_source(spec)) for spec in specs[:-1] if spec.name not in sys.modules)
    return False


def _source(spec: ModuleSpec) -> str:
    """Return the source of a module; empty where it has none, as a package without `__init__.py`."""
    try:
        return spec.loader.get_source(spec.name) or ""  # type: ignore[union-attr]
    except (AttributeError, ImportError, SyntaxError, UnicodeDecodeError):
        return "" if spec.origin is None else "raise"  # what cannot be read is not known to be harmless


def _found_in_apps(name: str) -> Iterator[tuple[list[str], list[ModuleSpec]]]:
    """Yield the parts of a name inside each app that has it, and the modules on the way there, none where there is no
    such way: looked for among the files, because an import would run each of them."""
    for app in apps.get_app_configs():
        if not name.startswith(f"{app.name}."):
            continue
        parts, specs = name.removeprefix(f"{app.name}.").split("."), list[ModuleSpec]()
        places = list(getattr(app.module, "__path__", ()))
        for number in range(1, len(parts) + 1):
            way = ".".join([app.name, *parts[:number]])
            spec = PathFinder.find_spec(way, places) if places else None  # only packages have a place inside
            if spec is None:
                specs = []
                break
            specs.append(spec)
            places = list(spec.submodule_search_locations or ())
        yield parts, specs


def declares_signal(source: str, name: str) -> bool:
    """Return whether a module only defines things, and assigns a `Signal` to this name (`paid = Signal()`)."""
    return only_defines(source) and any(
        isinstance(target, ast.Name)
        and target.id == name
        and isinstance(value := statement.value, ast.Call)  # type: ignore[attr-defined]
        and _last_name(value.func).endswith("Signal")
        for statement in ast.parse(source).body
        for target in _targets(statement)
    )


def only_defines(source: str) -> bool:
    """Return whether to import a module with this source runs nothing but imports, definitions and assignments."""
    try:
        return all(map(_is_definition, ast.parse(source).body))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _is_definition(statement: ast.stmt) -> bool:
    if isinstance(statement, (ast.Import, ast.ImportFrom, ast.Pass)):
        return True
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        head = (node for node in ast.iter_child_nodes(statement) if node not in statement.body)
        run = statement.body if isinstance(statement, ast.ClassDef) else ()
        decorators = (one.func if isinstance(one, ast.Call) else one for one in statement.decorator_list)
        is_decorated = any(_last_name(one) not in HARMLESS_DECORATORS for one in decorators)  # which is a call, too
        return not is_decorated and _are_harmless(*head) and all(map(_is_definition, run))
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)  # a docstring
    if isinstance(statement, ast.If):  # what no import makes true
        is_elsewhere = _last_name(statement.test) == "TYPE_CHECKING" or ast.unparse(statement.test) in IN_MAIN
        return is_elsewhere and all(map(_is_definition, statement.orelse))
    if not (targets := _targets(statement)) or not all(isinstance(target, ast.Name) for target in targets):
        return False
    return _are_harmless(statement.value, getattr(statement, "annotation", None))  # type: ignore[attr-defined]


def _are_harmless(*parts: ast.AST | None) -> bool:
    """Return whether these parts of a statement call nothing but what is known to be harmless."""
    nodes = (node for part in parts if part is not None for node in ast.walk(part))
    names = (_last_name(node.func) for node in nodes if isinstance(node, ast.Call))
    return all(name in HARMLESS_CALLS or name.endswith("Signal") for name in names)


def _targets(statement: ast.stmt) -> list[ast.expr]:
    """Return what a statement assigns to; nothing where it is no assignment."""
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, ast.AnnAssign) else []


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""
