"""Every strategy there is: those that ship, those of installed packages, and those of the repository one works in."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import fluxgate.strategies
from fluxgate import configuration
from fluxgate.configuration import Configuration
from fluxgate.files import is_name
from fluxgate.options import suggestion
from fluxgate.own_modules import imported, words
from fluxgate.refusal import Refusal
from fluxgate.strategies.promise import Strategy

GROUP = "fluxgate.strategies"  # of entry points: a module with strategies, or one strategy


def strategies() -> tuple[Strategy, ...]:
    """All of them, in the order of the report; one that cannot be judged is refused by its name."""
    configured = configuration.current()
    every = list(fluxgate.strategies.STRATEGIES)
    for origin, strategy in (*_installed(), *_own(configured)):
        if strategy not in every:  # a package may be installed and named in the configuration
            _refuse_taken(strategy, every, origin)
            every.append(strategy)
    _refuse_unknown_references(every)
    return tuple(every)


def own_packages() -> tuple[Path, ...]:
    """The files and folders that own strategies and pipelines are imported from, for workers of other environments;
    what is installed is not among them, for there it must be installed, too."""
    configured = configuration.current()
    for name in configured.pipelines:
        imported(configured, "pipelines", name)
    tops = dict.fromkeys(name.partition(".")[0] for name in (*configured.strategies, *configured.pipelines))
    own = [_package(sys.modules[name]) for name in tops if name in sys.modules]
    return tuple(path for path in own if configured.folder is not None and configured.folder in path.parents)


def _package(module: ModuleType) -> Path:
    if module.__file__ is None:  # a folder without __init__.py
        return Path(next(iter(module.__path__)))
    path = Path(module.__file__)
    return path.parent if path.stem == "__init__" else path


def _own(configured: Configuration) -> Iterator[tuple[str, Strategy]]:
    for name in configured.strategies:
        module = imported(configured, "strategies", name)
        yield from ((name, strategy) for strategy in _strategies_in(module))


def _installed() -> Iterator[tuple[str, Strategy]]:
    for entry in _entries():
        try:
            loaded = entry.load()
        except Exception as error:  # whatever the package does
            whose = f"The strategies of {entry.value}, {_package_of(entry)},"
            raise Refusal(f"{whose} cannot be loaded: {words(error)}.") from error
        if isinstance(loaded, Strategy):
            yield entry.value, loaded
        elif isinstance(loaded, ModuleType):
            yield from ((entry.value, strategy) for strategy in _strategies_in(loaded))
        else:
            raise Refusal(f"{entry.value}, {_package_of(entry)}, is neither a strategy nor a module with strategies.")


@lru_cache
def _entries() -> tuple[EntryPoint, ...]:
    return tuple(sorted(entry_points(group=GROUP), key=lambda entry: entry.name))


def _package_of(entry: EntryPoint) -> str:
    return f"an entry point of {entry.dist.name}" if entry.dist else "an entry point"


def _strategies_in(module: ModuleType) -> tuple[Strategy, ...]:
    """Those that the module lists in STRATEGIES, else those that it defines."""
    if hasattr(module, "STRATEGIES"):
        return _listed_in(module)
    defined = (value for value in vars(module).values() if isinstance(value, Strategy))
    found = tuple(one for one in defined if one.load.__module__ == module.__name__)
    if not found:
        raise Refusal(f"{module.__name__} has no strategy: write a function with the decorator @strategy(Promise(…)).")
    return found


def _listed_in(module: ModuleType) -> tuple[Strategy, ...]:
    listed: Any = module.STRATEGIES
    if isinstance(listed, list | tuple) and listed and all(isinstance(one, Strategy) for one in listed):
        return tuple(listed)
    raise Refusal(f"{module.__name__}: STRATEGIES must be a list of functions with the decorator @strategy.")


def _refuse_taken(strategy: Strategy, every: Iterable[Strategy], origin: str) -> None:
    if not is_name(strategy.name):
        raise Refusal(f"{origin}: {strategy.name[:120]!r} cannot name a strategy.")
    for other in every:
        if other.name == strategy.name:
            where = other.load.__module__
            raise Refusal(f"{origin}: there is a strategy {strategy.name} in {where}; give it another name.")


def _refuse_unknown_references(every: Iterable[Strategy]) -> None:
    names = [one.name for one in every]
    for strategy in every:
        for other in strategy.promise.compared_with:
            if other not in names:
                raise Refusal(
                    f"{strategy.name} in {strategy.load.__module__} promises something about {other!r}, "
                    f"which is no strategy; {suggestion(other, names)}"
                )
