"""The pictures that one call has returned, which are the caller's: no later call may change them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from fluxgate.subjects.subject import Shot


class ReturnedPictures:
    """Keeps those of one call until the next one is over, and looks at them again then."""

    def __init__(self) -> None:
        self._pictures: Any = None
        self._digest = _digest(None)
        self.changed = False  # whether any call has changed those of the one before it

    def of(self, call: Callable[[Shot], Any]) -> Callable[[Shot], Any]:
        """The same call, whose pictures are kept."""

        def calling(shot: Shot) -> Any:
            output = call(shot)
            self.changed = self.changed or _digest(self._pictures) != self._digest
            self._pictures = getattr(output, "images", None)
            self._digest = _digest(self._pictures)
            return output

        return calling


def _digest(pictures: Any) -> str:
    digest = hashlib.sha256()
    for one in pictures if isinstance(pictures, list) else ():
        digest.update(one.tobytes() if hasattr(one, "tobytes") else b"")  # Pillow's and numpy's
    return digest.hexdigest()
