"""Cases rendered in a thread, one after another, while what the earlier ones gave is judged: no GPU waits for a judge.

Several processes may do so into one run, each on a GPU of its own: whichever is free takes the next case that nobody
has, whoever is going to judge it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

PAUSE = 0.05  # seconds between two looks


class Renderer(Protocol):
    """Renders cases, and knows which of them are; both are asked in several threads."""

    def is_rendered(self, case_id: str) -> bool: ...

    def render_unless_taken(self, case_id: str) -> bool:
        """Render it; False, at once, where another process does."""


class Ahead:
    """Renders cases in order; one that is waited for comes first."""

    def __init__(self, case_ids: Iterable[str], renderer: Renderer) -> None:
        self._order = list(dict.fromkeys(case_ids))
        self._renderer = renderer
        self._wanted: list[str] = []  # what was waited for, the latest first
        self._rendered: set[str] = set()
        self._failed: BaseException | None = None
        self.begun: str | None = None  # the case that is being rendered, or was when the thread was stopped
        self._last = threading.Event()  # nothing will be wanted any more
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fluxgate-ahead", daemon=True)
        self._thread.start()

    def wait_for(self, case_id: str, *, look: Callable[[], None] = lambda: None) -> None:
        """Return once the case is rendered, by whomever. look is called again and again meanwhile.

        Raises what ended the thread, if something did."""
        self._wanted.insert(0, case_id)
        while not self._is_rendered(case_id):
            if self._failed is not None:
                raise self._failed
            look()
            time.sleep(PAUSE)

    def is_wanted(self, case_id: str) -> bool:
        """Whether this process has waited for the case, or does."""
        return case_id in self._wanted

    def finish(self) -> None:
        """Render what nobody has taken, and return: others may be going to judge it."""
        self._last.set()
        self._thread.join()

    def stop(self, end_worker: Callable[[], None]) -> None:
        """Begin nothing more, and end the case that is being rendered."""
        self._stopped.set()
        end_worker()
        self.finish()

    def _run(self) -> None:
        try:
            while not self._stopped.is_set() and not self._is_over(self._render_next()):
                pass
        except BaseException as error:  # whatever it is, it belongs to the thread that waits
            self._failed = error

    def _is_over(self, rendered: bool) -> bool:
        """Whether nothing is left to do; where others still render, one of them may die, and its case is free again."""
        if rendered:
            return False
        time.sleep(PAUSE)
        return self._last.is_set()

    def _render_next(self) -> bool:
        """Render the first case that nobody has, and say whether there was one."""
        for case_id in dict.fromkeys((*self._wanted, *self._order)):
            if not self._is_rendered(case_id):
                self.begun = case_id
                rendered = self._renderer.render_unless_taken(case_id)
                self.begun = None
                if rendered:
                    return True
        return False

    def _is_rendered(self, case_id: str) -> bool:
        if case_id not in self._rendered and self._renderer.is_rendered(case_id):
            self._rendered.add(case_id)
        return case_id in self._rendered
