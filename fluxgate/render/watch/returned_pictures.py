"""The pictures that one call has returned, which are the caller's: no later call may change them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from fluxgate.subjects.subject import Shot


class ReturnedPictures:
    """Keeps those of the first call, and looks at them again."""

    def __init__(self) -> None:
        self._pictures: Any = None
        self._digest = ""

    def of(self, call: Callable[[Shot], Any]) -> Callable[[Shot], Any]:
        """The same call, whose first pictures are kept."""

        def calling(shot: Shot) -> Any:
            output = call(shot)
            if self._pictures is None:
                self._pictures = getattr(output, "images", None)
                self._digest = _digest(self._pictures)
            return output

        return calling

    def changed(self) -> bool:
        """Whether they are others now; False where none was returned that can be read."""
        return _digest(self._pictures) != self._digest


def _digest(pictures: Any) -> str:
    digest = hashlib.sha256()
    for one in pictures if isinstance(pictures, list) else ():
        digest.update(one.tobytes() if hasattr(one, "tobytes") else b"")  # Pillow's and numpy's
    return digest.hexdigest()
