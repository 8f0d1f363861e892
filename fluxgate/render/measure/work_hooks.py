"""Hooks that ran, groups that were moved, and waits for a GPU, or memory back from torch, that somebody asked for."""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from fluxgate.render.measure.class_names import hook_name
from fluxgate.render.measure.replaced import replaced

EMPTIED = "emptied"  # what is counted of memory given back
COLLECTED = "collected"  # what is counted of collections of garbage that somebody asked for
WAITS = {"Stream": ("synchronize", "wait_stream", "wait_event"), "Event": ("synchronize",)}  # classes of torch.cuda

Add = Callable[..., None]


@contextmanager
def hooks_counted(pipelines: Iterable[Any], add: Add) -> Iterator[None]:
    """Count them meanwhile; afterwards every class and every hook is as it was."""
    with ExitStack() as patches:
        for owner, name, what in [*_of_accelerate(), *_waits()]:
            patches.enter_context(_counting(owner, name, add, lambda *_, what=what: what))
        patches.enter_context(tidying_counted(add))
        for owner, name in _of_groups():
            patches.enter_context(_counting(owner, name, add, _move_of_group(name)))
        for reference, what in _of_diffusers(pipelines):
            patches.enter_context(_counting(reference, "pre_forward", add, lambda *_, what=what: what))
        yield


@contextmanager
def tidying_counted(add: Add) -> Iterator[None]:
    """Count how often somebody has memory given back to a GPU, or garbage collected: each takes its time."""
    with ExitStack() as patches:
        for owner in _givers():
            patches.enter_context(_counting(owner, "empty_cache", add, lambda *_: "", section=EMPTIED))
        patches.enter_context(_counting(gc, "collect", add, lambda *_: "", section=COLLECTED))
        yield


def _of_accelerate() -> Iterator[tuple[Any, str, str]]:
    """The classes of accelerate's hooks, each where it defines what it does."""
    hooks = sys.modules.get("accelerate.hooks")
    for kind in _kinds(getattr(hooks, "ModelHook", None)):
        if "pre_forward" in vars(kind) and kind.__name__ not in ("ModelHook", "SequentialHook"):
            yield kind, "pre_forward", f"{kind.__name__} ran"


def _kinds(kind: Any) -> list[Any]:
    """A class and all that are made of it."""
    return [] if kind is None else [kind, *(one for child in kind.__subclasses__() for one in _kinds(child))]


def _of_groups() -> Iterator[tuple[Any, str]]:
    group = getattr(sys.modules.get("diffusers.hooks.group_offloading"), "ModuleGroup", None)
    for name in ("onload_", "offload_"):
        if hasattr(group, name):
            yield group, name


def _move_of_group(name: str) -> Callable[..., str]:
    """A group that another one loads is loaded ahead of its use."""

    def what(group: Any, *_: Any) -> str:
        if name == "offload_":
            return "groups offloaded"
        return "groups onloaded" if getattr(group, "onload_self", True) else "groups onloaded ahead"

    return what


def _of_diffusers(pipelines: Iterable[Any]) -> Iterator[tuple[Any, str]]:
    """What diffusers calls before a module's forward: each keeps the methods of its hook."""
    import torch

    for pipeline in pipelines:
        for component in (getattr(pipeline, "components", None) or {}).values():
            for module in component.modules() if isinstance(component, torch.nn.Module) else ():
                registry = getattr(module, "_diffusers_hook", None)
                for hook in getattr(registry, "hooks", {}).values():
                    reference = getattr(hook, "fn_ref", None)
                    if getattr(reference, "pre_forward", None) is not None:
                        yield reference, f"{hook_name(hook)} ran"


def _waits() -> Iterator[tuple[Any, str, str]]:
    import torch

    if torch.cuda.is_available():
        yield torch.cuda, "synchronize", "waits for the device"
        for kind, names in WAITS.items():
            owner = getattr(torch.cuda, kind)
            yield from ((owner, name, f"{kind}.{name}") for name in names if name in vars(owner))


def _givers() -> Iterator[Any]:
    """What has a function that gives torch's spare memory back to the GPU."""
    import torch

    if torch.cuda.is_available():
        owners = (torch.cuda, getattr(torch, "accelerator", None))
        yield from (owner for owner in owners if hasattr(owner, "empty_cache"))


def _counting(
    owner: Any, name: str, add: Add, what: Callable[..., str], *, section: str = "events"
) -> AbstractContextManager[None]:
    """Let a function count its calls meanwhile, where it is found."""
    function = getattr(owner, name)

    @functools.wraps(function)
    def counting(*args: Any, **kwargs: Any) -> Any:
        add(section, what(*args))
        return function(*args, **kwargs)

    return replaced(owner, name, counting)
