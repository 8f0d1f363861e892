"""Wrapping a method of one object: its calls are seen, and nothing is kept alive by it."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from typing import Any

# Called with the method itself, the pipeline, and the arguments of the call.
Around = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]


def wrap(owner: Any, name: str, around: Around, *, pipeline: Any) -> None:
    """Put a function around a method, once. The object gets no reference to itself.

    Such a cycle would keep a freed pipeline in memory until the next garbage collection."""
    method = getattr(owner, name, None)
    if method is None or hasattr(method, "_fluxgate"):
        return
    inner = _unbound(owner, name)
    owner_ref, pipeline_ref = weakref.ref(owner), weakref.ref(pipeline)

    @functools.wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return around(functools.partial(inner, owner_ref), pipeline_ref(), args, kwargs)

    del wrapped.__wrapped__  # it is the bound method, and so the cycle
    wrapped.__signature__ = inspect.signature(method)  # type: ignore[attr-defined]  # pipelines ask for a step's
    wrapped._fluxgate = True  # type: ignore[attr-defined]  # so that it is not wrapped twice
    setattr(owner, name, wrapped)


def _unbound(owner: Any, name: str) -> Callable[..., Any]:
    """The method as a function of a weak reference to its owner; one set on the object itself is called as it is."""
    own = vars(owner).get(name)
    if own is not None:
        return lambda _, *args, **kwargs: own(*args, **kwargs)
    function = getattr(type(owner), name)
    return lambda ref, *args, **kwargs: function(ref(), *args, **kwargs)
