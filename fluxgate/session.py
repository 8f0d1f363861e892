"""The workshop: gives the rendering of a case, and renders it for that only if this run has not done so yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from fluxgate.cases import Case
from fluxgate.locks import held
from fluxgate.render.pool.workers import Workers
from fluxgate.rendering import Picture, Rendering
from fluxgate.runs.run import Run
from fluxgate.subjects.subject import Subject

CASE_TIMEOUT = 3600.0  # seconds; a guard against a hang, not a limit of speed


class Workshop:
    """All cases of one run. Several processes may work in the same run: each case is still rendered once."""

    def __init__(
        self,
        run: Run,
        workers: Workers,
        cases: Iterable[Case],
        *,
        locate: Callable[[Subject], Path],
        timeout: float = CASE_TIMEOUT,
        report: Callable[[str], None] = lambda line: None,
        glance: Callable[[Case, tuple[Picture, ...]], None] = lambda case, pictures: None,
    ) -> None:
        self.run = run
        self._workers = workers
        self._cases = {case.id: case for case in cases}
        self._locate = locate
        self._timeout = timeout
        self._report = report
        self._glance = glance
        self._done: dict[str, Rendering] = {}

    def rendering(self, case_id: str) -> Rendering | None:
        """The case's rendering, crashed or not; None for a case that cannot be rendered here."""
        case = self._cases.get(case_id)
        if case is None or case.unsupported is not None:
            return None
        if case_id not in self._done:
            self._done[case_id] = self._get_or_render(case)
        return self._done[case_id]

    def done(self, case_id: str) -> Rendering | None:
        """The case's rendering if somebody has asked for it already."""
        return self._done.get(case_id)

    def _get_or_render(self, case: Case) -> Rendering:
        folder = self.run.case_folder(case.id)
        lock = folder.with_name(f".{case.id}.lock")
        with held(lock, waiting=f"waiting for another process that renders {case.id}", report=self._report):
            there = self.run.rendered(case.id)
            if there is not None:
                return there
            source = self._locate(case.subject)
            return self._workers.render(
                case,
                folder,
                source=source,
                timeout=self._timeout,
                report=self._report,
                glance=partial(self._glance, case),
            )
