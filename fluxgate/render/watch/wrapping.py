"""Wrapping a method of one object: its calls are seen, and nothing is kept alive by it."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

# Called with the method itself, the object, and the arguments of the call.
Around = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]


def wrap(owner: Any, name: str, around: Around) -> None:
    """Put a function around a method, once. The object gets no reference to itself.

    Such a cycle would keep a freed pipeline in memory until the next garbage collection."""
    method = getattr(owner, name, None)
    if method is None or hasattr(method, "_fluxgate"):
        return
    if name in vars(owner):
        setattr(owner, name, _around_own(owner, method, around))
    else:
        owner.__class__ = _wrapped_class(type(owner), name, around)


def _wrapped_class(kind: type, name: str, around: Around) -> type:
    """A class like the object's own: so a copy of the object has a wrapped method, too, and one that is its own."""
    function = getattr(kind, name)

    @functools.wraps(function)
    def wrapped(owner: Any, /, *args: Any, **kwargs: Any) -> Any:
        return around(functools.partial(function, owner), owner, args, kwargs)

    wrapped._fluxgate = True  # type: ignore[attr-defined]  # so that it is not wrapped twice
    alike = {each: getattr(kind, each) for each in ("__module__", "__qualname__", "__doc__")}
    return type(kind)(kind.__name__, (kind,), {**alike, name: wrapped})


def _around_own(owner: Any, method: Callable[..., Any], around: Around) -> Callable[..., Any]:
    """A function that was set on the object itself, by somebody else's wrapper, is called as it is."""
    owner_ref = weakref.ref(owner)

    @functools.wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return around(method, owner_ref(), args, kwargs)

    wrapped._fluxgate = True  # type: ignore[attr-defined]  # as above
    return wrapped
