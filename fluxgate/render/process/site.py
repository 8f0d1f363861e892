"""The site of a job: where its function loads a pipeline, and what watches what it loads."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.render.measure.meter import Meter
from fluxgate.render.process.calling import as_watched
from fluxgate.render.process.jobs import Job
from fluxgate.render.process.notes import AddNote, Note
from fluxgate.render.process.vram_cap import cap_vram
from fluxgate.render.watch.component import modules_of
from fluxgate.render.watch.probe import Probe
from fluxgate.strategies.promise import Site


def site_of(job: Job, note: AddNote) -> tuple[Site, Probe]:
    """Each phase that begins is noted. The process is capped before the meter wakes the GPU."""
    cap_vram(job.vram_limit)
    meter = Meter(job.device)
    probe = Probe(as_watched(job.subject), meter=meter, announce=lambda phase: note(Note(phase=phase or "")))
    probe.inventory.source = job.source
    watch = partial(watch_and_describe, probe)
    site = Site(job.subject, folder=job.source, device=job.device, scratch=job.scratch, watch=watch)
    return site, probe


def watch_and_describe(probe: Probe, pipeline: Any) -> None:
    """Watch a pipeline; describe one that is built within a call by what nobody has met yet. Its own call may encode
    nothing and decode nothing, which is where the probe meets pipelines, as Z-Image's does that is given embeddings."""
    probe.watch(pipeline)
    shot, _ = probe.current
    if shot and modules_of(pipeline).keys() - probe.inventory.recorded().components.keys():
        probe.inventory.describe_if_new(pipeline)
