"""One part of a case, done in a process of its own."""

from __future__ import annotations

from fluxgate.miniature.given_calls import call_named
from fluxgate.render.process.determinism import settle
from fluxgate.render.process.jobs import PartJob, function_named
from fluxgate.render.process.library_warnings import LibraryWarnings, hide_progress_bars
from fluxgate.render.process.notes import AddNote, Note
from fluxgate.render.process.site import site_of
from fluxgate.render.watch.step_latents import StepLatents
from fluxgate.rendering import GIVEN, without_call


def do_part(job: PartJob, note: AddNote) -> None:
    """Do one part of a case, and note at once all that was recorded."""
    part = function_named(job.part)
    warnings = LibraryWarnings()
    hide_progress_bars()
    settle(job.device, dtype=job.subject.dtype)
    site, probe = site_of(job, note)
    probe.continue_from(job.inventory)
    if without_call(job.shot) == GIVEN:
        recorder = probe.begin_given()
        recorder.begin(call_named(job.shot.removeprefix(GIVEN).removeprefix(", ")))
        part(site, **job.arguments)
        probe.meter.close()
        note(Note(given=recorder.finish(job.folder), finished=True))
        return
    probe.latents = StepLatents(job.folder)
    probe.begin(job.shot, job.take, phase=job.phase)
    part(site, **job.arguments)
    fingerprints, durations = probe.end()
    probe.meter.close()
    note(
        Note(
            fingerprints=fingerprints,
            durations=durations,
            inventory=probe.inventory.recorded(),
            weights=probe.inventory.weights,
            memory=probe.meter.memory(),
            warnings=warnings.new(),
            finished=True,
        )
    )
