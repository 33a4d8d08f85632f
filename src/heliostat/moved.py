"""Hints for paths in settings that lead nowhere: mistyped ones, and names of TOM Toolkit, Cliquet and Kinto."""

from __future__ import annotations

import pkgutil
import sys

from heliostat.suggestions import closest, suggestion

HOOKS = {
    "target_post_save": "targets",
    "observation_change_state": "observations",
    "data_product_post_upload": "dataproducts",
    "data_product_post_save": "dataproducts",
    "multiple_data_products_post_save": "dataproducts",
}
HOOK_MODULES = ("tom_common.hooks", "tom_targets.hooks", "tom_observations.hooks", "tom_dataproducts.hooks")
MOVED = {
    **{f"{module}.{name}": f"heliostat.{app}.hooks.{name}" for module in HOOK_MODULES for name, app in HOOKS.items()},
    "tom_common.hooks.run_hook": "heliostat.hooks.run_hook",
    "tom_alerts.brokers.alerce.ALeRCEBroker": "heliostat.alerts.brokers.alerce.ALeRCEBroker",
    "tom_alerts.alerts": "heliostat.alerts.alerts",
    "tom_alerts.models": "heliostat.alerts.models",
    "tom_targets.models": "heliostat.targets.models",
    "tom_observations.models": "heliostat.observations.models",
    "tom_observations.facility": "heliostat.observations.facility",
    "tom_dataproducts.models": "heliostat.dataproducts.models",
    "cliquet.listeners.redis": "heliostat.queues.redis",
    "kinto_redis.listeners": "heliostat.queues.redis",
    "cliquet.listeners.ListenerBase": "heliostat.listeners.ListenerBase",
    "kinto.core.listeners.ListenerBase": "heliostat.listeners.ListenerBase",
    "pyramid.settings.aslist": "heliostat.listeners.aslist",
}
CLOSED = {
    "tom_alerts.brokers.mars": "MARS has closed",
    "tom_alerts.brokers.gaia": "Gaia's alerts ended in 2025",
}
PACKAGES = {
    "tom_common": "TOM Toolkit; the default functions of hook points are in heliostat.targets.hooks, "
    "heliostat.observations.hooks and heliostat.dataproducts.hooks",
    "tom_alerts": "TOM Toolkit; brokers of Heliostat are in heliostat.alerts.brokers, and their base is "
    "heliostat.alerts.alerts.GenericBroker",
    "tom_targets": "TOM Toolkit; look in heliostat.targets",
    "tom_observations": "TOM Toolkit; facilities of Heliostat are in heliostat.observations.facilities, and their "
    "base is in heliostat.observations.facility",
    "tom_dataproducts": "TOM Toolkit; look in heliostat.dataproducts",
    "cliquet": "Cliquet; ListenerBase and aslist are in heliostat.listeners, an e-mail listener is "
    "heliostat.listeners.email",
    "kinto": "Kinto; ListenerBase and aslist are in heliostat.listeners, an e-mail listener is "
    "heliostat.listeners.email",
    "pyramid": "Pyramid; aslist is in heliostat.listeners",
}


def hint_for(path: object, error: BaseException | None = None) -> str:
    """Return a sentence about what a path of another package is here; empty for any other path.

    `error` is what importing the path raised: a module of the project's own may import from such a package.
    """
    missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
    return _hint(str(path)) or _hint(missing)


def _hint(path: str) -> str:
    if path in MOVED:
        return f"{path} is {MOVED[path]} here."
    for module, why in CLOSED.items():
        if path.startswith(module):
            return f"{why}: remove {path}, or name another broker, heliostat.alerts.brokers.alerce.ALeRCEBroker."
    package = path.partition(".")[0]
    if package in PACKAGES:
        return f"{package} is a package of {PACKAGES[package]}."
    if package.startswith(("tom_", "kinto_")):
        return f"{package} is a plug-in of another system; Heliostat cannot load it."
    return ""


def did_you_mean_path(path: object) -> str:
    """' Did you mean …?' with what is beside the place that a dotted path leads to, or nothing. Imports nothing."""
    name, _, last = str(path).rpartition(".")
    module = sys.modules.get(name)
    if module is None:
        return ""
    inside = {one.name for one in pkgutil.iter_modules(getattr(module, "__path__", ()))}
    return suggestion([f"{name}.{near}" for near in closest(last, inside | vars(module).keys())])
