"""Parts of a case done in processes of their own, each watched there as if it were done here."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fluxgate.render.process.endings import Ending, kills_for_memory
from fluxgate.render.process.jobs import PartJob, name_of
from fluxgate.render.process.launching import Launcher
from fluxgate.render.process.notes import FILE, Note, NotesReader
from fluxgate.render.process.running import end, wait_for_exit
from fluxgate.render.watch.probe import Probe
from fluxgate.rendering import Crash
from fluxgate.strategies.promise import Site


class PartDied(RuntimeError):
    """The process of a part ended before the part was done."""

    def __init__(self, phase: str, crash: Crash) -> None:
        super().__init__(f"the process for the stage '{phase}' died: {crash.sentence}")
        self.crash = crash


class PartRunner:
    """Runs the parts of one case, one after another."""

    def __init__(self, site: Site, *, probe: Probe, launcher: Launcher, vram_limit: int | None = None) -> None:
        self._site = site
        self._probe = probe
        self._launcher = launcher
        self._vram_limit = vram_limit

    def start(self) -> None:
        """Import what the parts need, before any clock runs."""
        self._launcher.imported(os.environ)

    def run(self, phase: str, part: Callable[..., None], /, **arguments: Any) -> None:
        """Do a part in a process of its own, and record it as if it were done here."""
        self.start()
        site, probe = self._site, self._probe
        with tempfile.TemporaryDirectory(prefix=f"{phase}-", dir=site.scratch) as folder, probe.other_process(phase):
            shot, take = probe.current
            job = PartJob(
                name_of(part),
                arguments,
                phase=phase,
                subject=site.subject,
                device=site.device,
                source=site.folder,
                scratch=site.scratch,
                folder=Path(folder),
                shot=shot,
                take=take,
                inventory=probe.inventory.recorded(),
                vram_limit=self._vram_limit,
            )
            note = self._follow(job)
            probe.add_from_process(note.fingerprints, note.durations, note.inventory, note.memory)
            probe.inventory.weights |= note.weights or {}
            probe.add_latents(job.folder)
            if probe.given is not None and note.given is not None:
                probe.given.add_from_process(note.given, job.folder)

    def _follow(self, job: PartJob) -> Note:
        """The note in which a part says all that it recorded; a part that died is an error that names it."""
        ending = Ending(log=job.folder / "log.txt", timeout=math.inf, kills_before=kills_for_memory())
        process = self._launcher.launch(job, os.environ)
        try:
            ending.code = wait_for_exit(process, math.inf, lambda: None)
        finally:
            end(process)
        notes = NotesReader(job.folder / FILE).new()
        crash = ending.crash(notes)
        if crash is not None:
            raise PartDied(job.phase, crash)
        return notes[-1]
