"""The site of a job: where its function loads a pipeline, and what watches what it loads."""

from __future__ import annotations

from fluxgate.render.measure.meter import Meter
from fluxgate.render.process.calling import as_watched
from fluxgate.render.process.jobs import Job
from fluxgate.render.process.notes import AddNote, Note
from fluxgate.render.process.vram_cap import cap_vram
from fluxgate.render.watch.probe import Probe
from fluxgate.strategies.promise import Site


def site_of(job: Job, note: AddNote) -> tuple[Site, Probe]:
    """Each phase that begins is noted. The process is capped before the meter wakes the GPU."""
    cap_vram(job.vram_limit)
    meter = Meter(job.device)
    probe = Probe(as_watched(job.subject), meter=meter, announce=lambda phase: note(Note(phase=phase or "")))
    probe.inventory.source = job.source
    site = Site(job.subject, folder=job.source, device=job.device, scratch=job.scratch, watch=probe.watch)
    return site, probe
