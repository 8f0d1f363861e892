"""One case, rendered in this process from loading to freeing."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from fluxgate.miniature.given_calls import calls_of
from fluxgate.refusal import Refusal
from fluxgate.render.measure.child_processes import child_processes
from fluxgate.render.measure.connections import connections_counted
from fluxgate.render.measure.fixed_work import fixed_work
from fluxgate.render.measure.laps import Laps
from fluxgate.render.measure.leftover_files import LeftoverFiles
from fluxgate.render.measure.mapped_files import mapped_weights
from fluxgate.render.measure.meter import Meter
from fluxgate.render.measure.printed import writes_counted
from fluxgate.render.measure.python_threads import python_threads
from fluxgate.render.measure.work_files import READ, weight_files_counted
from fluxgate.render.measure.work_hooks import tidying_counted
from fluxgate.render.process.calling import call_arguments, pictures_of
from fluxgate.render.process.crashes import headline, raised_in
from fluxgate.render.process.determinism import draws, settle
from fluxgate.render.process.forkserver import Work, forked_server
from fluxgate.render.process.jobs import CaseJob, function_named
from fluxgate.render.process.launching import SPAWN, EnvironmentLauncher, ForkLauncher, Launcher
from fluxgate.render.process.libraries import imported_versions
from fluxgate.render.process.library_warnings import LibraryWarnings, hide_progress_bars
from fluxgate.render.process.notes import AddNote, Note
from fluxgate.render.process.parts import PartRunner
from fluxgate.render.process.picture_files import PictureFiles
from fluxgate.render.process.site import site_of
from fluxgate.render.process.step_pictures import write_step_pictures
from fluxgate.render.watch.asked_otherwise import is_asked, not_the_same
from fluxgate.render.watch.counting import counted_shot
from fluxgate.render.watch.probe import Probe
from fluxgate.render.watch.repeating import Readings, repeat
from fluxgate.render.watch.returned_pictures import ReturnedPictures
from fluxgate.render.watch.shortening import count_work_of_one
from fluxgate.render.watch.step_latents import StepLatents
from fluxgate.rendering import (
    DENOISE,
    DRAWN_IN_LOADING,
    LOAD,
    NETWORK_ASKED,
    NOT_THE_SAME,
    PICTURES_CHANGED,
    PRINTED,
    READ_IN_LOADING,
    TIDIED_IN_LOADING,
    Duration,
    Picture,
)
from fluxgate.subjects.subject import Shot, Subject

UNUSUAL = 1_234_567_891  # a seed that no library sets


def render_case(job: CaseJob, note: AddNote, *, work: Work) -> None:
    """Load, render every take, free, and measure what is still held.

    work: does the job of a part, in a process of its own."""
    laps, load = Laps(), function_named(job.load)
    note(Note(started=True, says="started", libraries=imported_versions()))
    # Now: a process with a GPU, or with the meter's threads, must not be forked.
    launcher = _launcher_of_parts(job, work)
    warnings = LibraryWarnings()
    hide_progress_bars()
    note(Note(determinism=settle(job.device, dtype=job.subject.dtype), draws=draws()))
    site, probe = site_of(job, note)
    site = replace(site, count=probe.inventory.count, begin=probe.inventory.remember_settings)
    runner = PartRunner(site, probe=probe, launcher=launcher, vram_limit=job.vram_limit)
    probe.latents = StepLatents(job.folder)
    laps.end("start")
    loading = partial(load, replace(site, part_runner=runner))
    if job.compiles:
        loading = partial(load_and_compile, loading, job.subject)
    before, running, mapped = child_processes(), python_threads(), mapped_weights()
    with writes_counted() as output, connections_counted() as network:
        pictures, leftover = _render_takes(job, loading, probe, warnings, laps, note)
    probe.inventory.count(PRINTED, output.writes)
    probe.inventory.count(NETWORK_ASKED, network.asked)
    launcher.close()
    probe.meter.close()
    note(Note(memory=probe.meter.after(), warnings=warnings.new()))
    processes, weights = _more(before, child_processes()), _more(mapped, mapped_weights())
    threads = None if job.compiles else len(python_threads() - running)  # torch's compiler keeps some
    probe.inventory.count_at_end(files=leftover.at_end(), processes=processes, threads=threads, mapped=weights)
    note(Note(inventory=probe.inventory.recorded()))
    laps.end("free")
    steps = write_step_pictures(job.folder, pictures, probe.latents)  # last: nothing is measured any more
    laps.end("pictures of steps")
    note(Note(steps=steps, finished=True, says="finished", beside=laps.seconds))


def _more(before: set[Any] | None, now: set[Any] | None) -> int | None:
    """How many there are that were not there before; None where the system does not tell."""
    return None if before is None or now is None else len(now - before)


def _launcher_of_parts(job: CaseJob, work: Work) -> Launcher:
    """What starts the processes of parts: a server forked from this process, which has imported everything."""
    link = forked_server(work)
    if link is not None:
        return ForkLauncher(link)
    return EnvironmentLauncher(start=SPAWN, pipelines=(job.subject.pipeline,))


def _render_takes(
    job: CaseJob, load: Callable[[], Any], probe: Probe, warnings: LibraryWarnings, laps: Laps, note: AddNote
) -> tuple[tuple[Picture, ...], LeftoverFiles]:
    """All that is done with the pipeline, which is freed at the end; the pictures of the first takes, and what has
    watched files since before it was loaded."""
    leftover = LeftoverFiles(job.scratch)
    files = PictureFiles(job.folder)
    pipeline = _load_watched(load, probe, laps, note)
    probe.watch(pipeline)
    probe.describe()
    probe.meter.measure_loaded()
    note(Note(inventory=probe.inventory.recorded(), memory=probe.meter.memory(), libraries=imported_versions()))
    laps.end("inventory")
    for take, numbers in job.order():
        with ExitStack() as measured:
            if take:
                measured.enter_context(leftover.counted())
                measured.enter_context(probe.meter.growth_measured())  # ends first: collects what removes its files
            for number in numbers:
                rendered = _render_take(pipeline, job.subject, number, take, probe, files)
                note(rendered)
                probe.inventory.compare_hooks()
                probe.inventory.compare_handlers()
                probe.inventory.compare_settings()
                recorded = probe.inventory.recorded()
                note(Note(inventory=recorded, memory=probe.meter.memory(), warnings=warnings.new()))
                laps.end("between takes", without=sum(one.seconds for one in rendered.durations))
    _describe_after(job, probe, leftover, note)
    laps.end("inventory")
    _call_unmeasured(pipeline, job, probe, warnings, laps, note)
    _remove_hooks(pipeline, probe, note)
    laps.end("hooks")
    return files.first, leftover


def _describe_after(job: CaseJob, probe: Probe, leftover: LeftoverFiles, note: AddNote) -> None:
    """What the pipeline is once all takes are rendered; its weights are read, which takes memory."""
    probe.inventory.describe_after()
    probe.inventory.hash_states()
    probe.inventory.count_files(job.scratch)
    probe.inventory.count_leftover_files(leftover.count)
    recorded, weights = probe.inventory.recorded(), probe.inventory.weights
    note(Note(inventory=recorded, libraries=imported_versions(), weights=weights, measured=True))


def _call_unmeasured(
    pipeline: Any, job: CaseJob, probe: Probe, warnings: LibraryWarnings, laps: Laps, note: AddNote
) -> None:
    """Calls that come after all that is measured: those whose work is counted, and those of what is given."""
    import torch

    torch.manual_seed(UNUSUAL)
    probe.inventory.remember_settings()
    note(Note(warnings=warnings.new()))
    returned = ReturnedPictures()
    call, readings = returned.of(partial(_call, pipeline, job.subject)), Readings(job.device)
    work, shot = count_work_of_one(call, job.subject, probe, after_each=readings.read)
    note(Note(work=work, says=f"work counted in {work.seconds:.1f} s"))
    laps.end("counting")
    note(Note(repeated=repeat(call, shot, readings, device=job.device, took=work.seconds)))
    probe.inventory.count(PICTURES_CHANGED, int(returned.changed))
    laps.end("calls again")
    probe.inventory.compare_settings()
    if job.asks_otherwise and is_asked(pipeline):
        for what in not_the_same(pipeline, briefly=job.asks_briefly):
            probe.inventory.count(f"{NOT_THE_SAME}{what}", 1)
        laps.end("asking otherwise")
    if job.subject.oracle is not None:
        note(run_from_given(pipeline, probe, job.folder))
        laps.end("oracle")
    warnings.new()  # of calls that are no shots: of one step, some schedulers make a NaN


def _remove_hooks(pipeline: Any, probe: Probe, note: AddNote) -> None:
    """Done last: whether the pipeline gets rid of what offloading has hung into it."""
    try:
        probe.inventory.count_left_hooks(pipeline)
    except Exception:  # it may not be able to bring the weights back; that is no part of any strategy
        traceback.print_exc()
    note(Note(inventory=probe.inventory.recorded()))


def run_from_given(pipeline: Any, probe: Probe, folder: Path) -> Note:
    """What each stage makes of what it is given, in calls that come after all that is measured."""
    recorder, error = probe.begin_given(), None
    libraries: tuple[str, ...] = ()
    try:
        for call in calls_of(probe.inventory.recorded().total_bytes):
            recorder.end(list(pipeline(**recorder.begin(call)).images))
    except Exception as failure:  # a library may raise anything: that is what the oracle is asked about
        traceback.print_exc()
        error, libraries = headline(failure), raised_in(failure)
    return Note(given=replace(recorder.finish(folder, error=error), raised_in=libraries))


def _load_watched(load: Callable[[], Any], probe: Probe, laps: Laps, note: AddNote) -> Any:
    """The pipeline; what loading leaves changed, tidies up meanwhile and draws at random is counted."""
    import torch

    probe.inventory.remember_settings()
    generator, tidied = torch.get_rng_state(), Counter[str]()
    sizes: list[int] = []  # libraries open files in threads

    def opened(section: str, what: str, number: int = 1) -> None:
        if (section, what) == ("bytes", READ):
            sizes.append(number)

    def watched() -> Any:
        with tidying_counted(lambda section, *_: tidied.update((section,))), weight_files_counted(opened):
            return load()

    pipeline = _load(watched, probe.meter, laps, note)
    for section, name in TIDIED_IN_LOADING.items():
        probe.inventory.count(name, tidied[section])
    probe.inventory.count(READ_IN_LOADING, sum(sizes))
    probe.inventory.count(DRAWN_IN_LOADING, int(not torch.equal(generator, torch.get_rng_state())))
    probe.inventory.compare_settings()
    return pipeline


def _load(load: Callable[[], Any], meter: Meter, laps: Laps, note: AddNote) -> Any:
    note(Note(phase=LOAD))
    meter.measure_before()
    meter.switch(LOAD)
    pipeline = load()
    if not callable(pipeline):
        kind = "nothing" if pipeline is None else f"a {type(pipeline).__name__}"
        raise Refusal(f"The strategy returned {kind}; it must return the pipeline, or what is called like one.")
    meter.switch(None)
    duration = meter.take_spent()[LOAD].duration(LOAD)
    note(Note(phase="", says=f"loaded in {duration.seconds:.1f} s", durations=(duration,)))
    laps.end("start", without=duration.seconds)
    return pipeline


def load_and_compile(load: Callable[[], Any], subject: Subject) -> Any:
    """The pipeline, called once for each shot, shortened where it can be: so all of its shapes are compiled."""
    pipeline = load()
    for shot in subject.shots:
        try:
            _call(pipeline, subject, counted_shot([shot]))
        except Exception:  # what is wrong with the shot itself is told by the next call
            _call(pipeline, subject, shot)
    return pipeline


def _call(pipeline: Any, subject: Subject, shot: Shot) -> Any:
    import torch

    generator = torch.Generator("cpu").manual_seed(shot.seed)
    return pipeline(**call_arguments(subject, shot), generator=generator)


def _beside(durations: Iterable[Duration], *fixed: tuple[float, float]) -> tuple[Duration, ...]:
    """The durations of a take, that of denoising with how long fixed work took before and after it."""
    return tuple(replace(one, fixed_work=fixed) if one.phase == DENOISE else one for one in durations)


def _render_take(pipeline: Any, subject: Subject, number: int, take: int, probe: Probe, files: PictureFiles) -> Note:
    """Render one take of the shot of this number, and write its pictures."""
    shots = subject.shots
    shot = shots[number]
    before = fixed_work(probe.meter.device)
    probe.begin(shot.name, take)
    images = pictures_of(_call(pipeline, subject, shot))
    fingerprints, durations = probe.end()
    durations = _beside(durations, before, fixed_work(probe.meter.device))
    pictures = tuple(
        files.write(image, shot=shot.name, take=take, index=index, frames=frames)
        for index, (image, frames) in enumerate(images)
    )
    again = " again" if take else ""
    seconds = sum(duration.seconds for duration in durations)
    says = f"shot {number + 1}/{len(shots)} '{shot.name}'{again} in {seconds:.1f} s"
    return Note(phase="", says=says, pictures=pictures, fingerprints=fingerprints, durations=durations)
