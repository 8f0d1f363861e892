"""Parts of a strategy's work done in processes of their own, each under a probe whose sights are handed back."""

from __future__ import annotations

import math
import os
import socket
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fluxgate.render.pool.endings import Ending, kills_for_memory
from fluxgate.render.pool.workers import Workers, end, outlast
from fluxgate.render.process.determinism import settle
from fluxgate.render.process.jobs import PartJob, function_named, name_of
from fluxgate.render.process.notes import FILE, Note, Reading
from fluxgate.render.process.vram_cap import cap
from fluxgate.render.process.worker import Warnings, import_libraries, quieten
from fluxgate.rendering import Crash
from fluxgate.strategies.promise import Site


class PartDied(RuntimeError):
    """A process that did a part of the work ended before it was done."""

    def __init__(self, phase: str, crash: Crash) -> None:
        super().__init__(f"the process for the stage '{phase}' died: {crash.sentence}")
        self.crash = crash


def work(job: PartJob, note: Callable[[Note], None]) -> None:
    """Do the part, and tell in one note all that was seen of it."""
    part = function_named(job.part)
    import_libraries()
    from fluxgate.render.measure.meter import Meter
    from fluxgate.render.watch.probe import Probe

    heard = Warnings()
    quieten()
    settle(job.device)
    cap(job.vram_limit)
    meter = Meter(job.device)
    probe = Probe(job.subject, meter=meter, announce=lambda phase: note(Note(phase=phase or "")))
    probe.recall(job.known)
    site = Site(job.subject, folder=job.source, device=job.device, scratch=job.scratch, watch=probe.watch)
    probe.begin(job.shot, job.take, phase=job.phase)
    part(site, **job.given)
    prints, durations = probe.end()
    meter.close()
    note(
        Note(
            fingerprints=prints,
            durations=durations,
            inventory=probe.inventory(),
            memory=meter.memory(),
            warnings=heard.new(),
            finished=True,
        )
    )


class Elsewhere:
    """Runs parts for one worker, one after another, forked from a server that the worker made of itself at first."""

    def __init__(
        self,
        site: Site,
        *,
        probe: Any,
        link: socket.socket | None = None,
        environment: Mapping[str, str] = os.environ,
        vram_limit: int | None = None,
    ) -> None:
        self._site = site
        self._probe = probe
        self._environment = environment
        self._link = link
        self._vram_limit = vram_limit
        self._workers: Workers | None = None

    def start(self) -> None:
        """Import what the parts need, before any clock runs."""
        if self._workers is None:
            self._workers = Workers(link=self._link).__enter__()
            self._workers.ready()

    def close(self) -> None:
        if self._workers is not None:
            self._workers.__exit__(None, None, None)
            self._workers = None

    def run(self, phase: str, part: Callable[..., None], /, **given: Any) -> None:
        """Do a part in a process of its own, as if it were done here."""
        self.start()
        site, probe = self._site, self._probe
        with tempfile.TemporaryDirectory(prefix=f"{phase}-", dir=site.scratch) as folder, probe.elsewhere(phase):
            job = PartJob(
                name_of(part),
                given,
                phase=phase,
                subject=site.subject,
                device=site.device,
                source=site.folder,
                scratch=site.scratch,
                folder=Path(folder),
                shot=probe.taking[0],
                take=probe.taking[1],
                known=probe.inventory(),
                vram_limit=self._vram_limit,
            )
            probe.absorb(self._follow(job))

    def _follow(self, job: PartJob) -> Note:
        """The note that tells what was seen of a part; a part that died is an error that names it."""
        assert self._workers is not None
        ending = Ending(log=job.folder / "log.txt", timeout=math.inf, kills_before=kills_for_memory())
        process = self._workers.process(job, self._environment)
        try:
            ending.code = outlast(process, math.inf, lambda: None)
        finally:
            end(process)
        notes = Reading(job.folder / FILE).new()
        crash = ending.crash(notes)
        if crash is not None:
            raise PartDied(job.phase, crash)
        return notes[-1]
