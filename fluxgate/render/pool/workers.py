"""The parent's side: starts a worker for each case, follows its notes, and outlives whatever happens to it."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from fluxgate.cases import Case
from fluxgate.environment import Environment
from fluxgate.files import is_disk_full, write_plain
from fluxgate.gpus import memory_in_use, visible_gpus
from fluxgate.locks import Say, silent
from fluxgate.refusal import Refusal
from fluxgate.render.pool.device_queue import turn
from fluxgate.render.process.determinism import OMP_THREADS
from fluxgate.render.process.endings import Ending, kills_for_memory
from fluxgate.render.process.jobs import CaseJob, name_of
from fluxgate.render.process.launching import FORK, SPAWN, EnvironmentLauncher
from fluxgate.render.process.libraries import Imported, ImportFailed, wrong_import
from fluxgate.render.process.notes import FILE, CaseHeader, Note, Notebook, NotesReader, compose
from fluxgate.render.process.running import Running, end, wait_for_exit
from fluxgate.render.watch.step_latents import StepLatents
from fluxgate.rendering import RENDERING, Crash, CrashKind, Picture, Rendering

__all__ = ["FORK", "SPAWN", "ImportFailed", "Workers"]

LIKELY_PIPELINES = ("FluxPipeline",)
ROOM = 1 << 20  # bytes that a disk must still take to be worth another case


class Others:
    """What other programs hold of some GPUs: looked at while no worker of this process is there."""

    def __init__(self, gpus: Sequence[str]) -> None:
        self.most: int | None = None
        self._gpus = gpus

    def look(self) -> None:
        held = memory_in_use(self._gpus) if self._gpus else None
        self.most = held if self.most is None else max(self.most, held or 0)


class Workers:
    """Makes one worker process for each case, in one environment and on one device.

    environment: None for that of this process; a job for another one does not carry this process's sys.path.
    takes: how often each shot is rendered; None for twice on a GPU, and on a CPU twice the first shot, once the others.
    lane: the number among processes that render side by side; it picks the one GPU that workers see, None shows all.
    at_once: how many cases may share a device, each rendered by another process; seconds tell nothing where it is more
    than 1.
    start: "fork" from a server that has imported everything, or "spawn" from nothing; fork falls back to spawn.
    vram_limit: bytes of each GPU that a worker may take; None for all there are.
    pipelines: the classes of diffusers that cases are going to use; if none of them can be imported, nothing can be
    rendered."""

    def __init__(
        self,
        *,
        environment: Environment | None = None,
        takes: int | None = None,
        lane: int | None = None,
        at_once: int = 1,
        start: str = FORK,
        vram_limit: int | None = None,
        pipelines: Sequence[str] = LIKELY_PIPELINES,
    ) -> None:
        self.takes = takes
        self.vram_limit = vram_limit
        self.environment = environment or Environment.current()
        self._lane = lane
        self._at_once = at_once
        self._launcher = EnvironmentLauncher(environment=self.environment, start=start, pipelines=pipelines)
        self._fallback_reported = False
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        """Begin to import the libraries, without waiting for it."""
        self._launcher.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._launcher.close()

    def stop(self) -> None:
        """End, from another thread, the worker that is at work or waits for its turn, as Ctrl-C would."""
        self._stopped.set()

    def _refuse_stopped(self) -> None:
        if self._stopped.is_set():
            raise KeyboardInterrupt("stopped")

    @property
    def fallback(self) -> str | None:
        """Why workers are spawned although they should be forked; None as long as they are forked."""
        return self._launcher.fallback

    def ready(self) -> Imported:
        """Wait until the libraries are imported, which needs no turn on a device: what they are.

        Raises ImportFailed where nothing can be rendered: they cannot be imported, none of the pipelines can, or other
        versions were imported than the environment has. Its `crash` is of kind "import", and holds for every case."""
        device = "cuda" if visible_gpus() else "cpu"
        return self._launcher.imported(self._devices(device, gpus=1)[1])

    def render(
        self,
        case: Case,
        folder: Path,
        *,
        source: Path,
        timeout: float,
        report: Say = silent,
        on_pictures: Callable[[tuple[Picture, ...]], None] = lambda pictures: None,
    ) -> Rendering:
        """Render a case into its folder. Whatever the worker does, a rendering comes out, crashed if need be.

        report is called with every line of progress. on_pictures is called with the pictures of each take while the
        worker goes on: on a GPU once they are written, on a CPU once nothing is timed any more."""
        pass_on = _passing_on(case, report, on_pictures)
        devices, variables = self._devices(case.device, gpus=case.strategy.gpus)
        crash = self._import_crash(case, variables)
        self._report_fallback(report)
        with refusing_full_disk(folder):
            if crash is not None:
                return _unrendered(case, folder, crash)
            with ExitStack() as held:
                for device in sorted(devices):  # in one order everywhere, so that no two processes wait for each other
                    held.enter_context(self._turn(device, case.id, report=report, look=self._refuse_stopped))
                with _prepared(folder) as scratch:
                    launch = partial(self._launch, case, folder, source, scratch, variables)
                    others = Others(devices if case.device == "cuda" and self._at_once == 1 else ())
                    rendering = self._follow(case, folder, launch, others, timeout=timeout, pass_on=pass_on)
            if rendering.crash is not None:
                _try_disk(folder)
            return rendering

    def variables(self, device: str) -> Mapping[str, str]:
        """Those that show this lane's device and no other one."""
        return self._devices(device, gpus=1)[1]

    @contextmanager
    def device_for(self, what: str, device: str, *, report: Say = silent) -> Iterator[None]:
        """Have this lane's device for something that is no case."""
        (first, *_), _ = self._devices(device, gpus=1)
        with self._turn(first, what, report=report):
            yield

    def _turn(
        self, device: str, what: str, *, report: Say, look: Callable[[], None] = lambda: None
    ) -> AbstractContextManager[None]:
        return turn(device, case=what, at_once=self._at_once, report=report, look=look)

    def _import_crash(self, case: Case, variables: Mapping[str, str]) -> Crash | None:
        """Why the libraries that the case needs cannot be imported; needs no turn, since nothing is measured."""
        try:
            return self._launcher.imported(variables).pipelines.get(case.subject.pipeline)
        except ImportFailed as failed:
            return failed.crash

    def _report_fallback(self, report: Say) -> None:
        """Say once why every case will take some seconds longer."""
        if self.fallback and not self._fallback_reported:
            report(f"each worker imports the libraries anew, which takes seconds: {self.fallback}")
            self._fallback_reported = True

    def _devices(self, device: str, *, gpus: int) -> tuple[tuple[str, ...], dict[str, str]]:
        """The devices that this lane uses, and the environment variables that show its workers no others."""
        variables = dict(os.environ)
        visible = visible_gpus() if device == "cuda" else ()
        threads = self._threads(variables, devices=max(1, len(visible)))
        if not visible:
            return (device,), {**variables, **(threads if self._at_once > 1 else {})}
        first = (self._lane or 0) % len(visible)
        uuids = tuple(gpu.uuid for gpu in (visible[first:] + visible[:first])[:gpus])
        if self._lane is None:
            return uuids, variables
        return uuids, {**variables, **threads, "CUDA_VISIBLE_DEVICES": ",".join(uuids)}

    def _threads(self, variables: Mapping[str, str], *, devices: int) -> dict[str, str]:
        """The variable that gives each of all workers its share of the processors, unless the user has set it."""
        return {} if OMP_THREADS in variables else {OMP_THREADS: str(_share_of_processors(devices * self._at_once))}

    def _launch(self, case: Case, folder: Path, source: Path, scratch: Path, variables: Mapping[str, str]) -> Running:
        job = CaseJob(
            load=name_of(case.strategy.load),
            subject=replace(case.subject, shots=case.shots),
            device=case.device,
            source=source.absolute(),
            scratch=scratch.absolute(),
            folder=folder.absolute(),
            takes=self.takes,
            vram_limit=self.vram_limit,
            compiles=case.strategy.compiles,
            asks_otherwise=case.subject.oracle is not None and not case.strategy.compiles,
            asks_briefly=case.strategy.promise.reference is not None,
        )
        return self._launcher.launch(job, variables)

    def _follow(
        self,
        case: Case,
        folder: Path,
        launch: Callable[[], Running],
        others: Others,
        *,
        timeout: float,
        pass_on: Callable[[Note], None],
    ) -> Rendering:
        """Let a worker render the case, and write down what came of it, however that ends."""
        ending = Ending(log=folder / "log.txt", timeout=timeout, kills_before=kills_for_memory())
        _begin_notes(case, folder)
        reader, notes = NotesReader(folder / FILE), list[Note]()
        others.look()
        started = time.monotonic()

        def read() -> None:
            self._refuse_stopped()
            new = reader.new()
            notes.extend(new)
            for note in new:
                pass_on(note)

        try:
            _run(launch, ending, deadline=started + timeout, look=read)
            read()
        finally:
            notes.extend(reader.new())
            rendering = compose(notes, wall_seconds=time.monotonic() - started, crash=ending.crash(notes))
            others.look()
            rendering = replace(rendering, held_by_others=others.most, at_once=self._at_once)
            rendering = self._refusing_wrong_imports(rendering)
            write_plain(folder / RENDERING, rendering)
        return rendering

    def _refusing_wrong_imports(self, rendering: Rendering) -> Rendering:
        """Crashed if a library that was imported late, for this case alone, is another than the environment has."""
        sentence = wrong_import(Imported(rendering.libraries), self.environment)
        if rendering.crash is not None or sentence is None:
            return rendering
        return replace(rendering, crash=Crash(CrashKind.IMPORT, sentence, None, ()))


def _passing_on(case: Case, report: Say, on_pictures: Callable[[tuple[Picture, ...]], None]) -> Callable[[Note], None]:
    """What tells of each note."""
    unseen = list[tuple[Picture, ...]]()

    def pass_on(note: Note) -> None:
        if note.says:
            report(f"{case.id}: {note.says}")
        if note.pictures:
            unseen.append(note.pictures)
        while unseen and (note.measured or case.device == "cuda"):
            on_pictures(unseen.pop(0))

    return pass_on


def _share_of_processors(workers: int) -> int:
    """How many of this process's processors each worker has to itself: threads beyond those wait for each other, and
    torch starts one for each processor of the machine."""
    return max(1, len(os.sched_getaffinity(0)) // workers)


def _run(launch: Callable[[], Running], ending: Ending, *, deadline: float, look: Callable[[], None]) -> None:
    """Let a worker work until it ends or its time is over, and note how it ended. No process of it is left."""
    try:
        worker = launch()
    except Exception as error:  # a job that cannot be sent, a process that cannot be made
        ending.failed_start = f"the worker could not be started: {type(error).__name__}: {error}"
        return
    try:
        ending.code = wait_for_exit(worker, deadline, look)
        ending.timed_out = ending.code is None
    except BaseException:
        ending.interrupted = True
        raise
    finally:
        end(worker)


def _begin_notes(case: Case, folder: Path) -> Note:
    """The first note, which says which case all others are of."""
    recipes = {shot.name: shot.recipe for shot in case.shots}
    note = Note(of=CaseHeader(case.subject.name, case.strategy.name, case.device, recipes))
    with closing(Notebook(folder / FILE)) as notebook:
        notebook.add(note)
    return note


def _unrendered(case: Case, folder: Path, crash: Crash) -> Rendering:
    """The rendering of a case for which no worker was started, and why."""
    with _prepared(folder):
        rendering = compose([_begin_notes(case, folder)], wall_seconds=0.0, crash=crash)
        write_plain(folder / RENDERING, rendering)
    return rendering


@contextmanager
def _prepared(folder: Path) -> Iterator[Path]:
    """An empty folder for the case, with a scratch folder that goes when the case is rendered."""
    if folder.exists():
        _refuse_foreign(folder)
        shutil.rmtree(folder)
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        StepLatents(folder).remove()  # of a worker that died
        if (folder / RENDERING).exists():
            (folder / FILE).unlink(missing_ok=True)


def _refuse_foreign(folder: Path) -> None:
    """Only what an earlier rendering left is ever removed."""
    names = {path.name for path in folder.iterdir()}
    if names and names.isdisjoint({FILE, RENDERING}):
        raise Refusal(f"{folder} holds something that is no rendering; no case is rendered over it.")


@contextmanager
def refusing_full_disk(folder: Path) -> Iterator[None]:
    """End with one sentence where the disk of a run takes no more."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        said = f"The disk of {folder} is full ({error.strerror}). What was rendered before stays readable in the run."
        raise Refusal(f"{said} Make room, and render the rest again.") from error


def _try_disk(folder: Path) -> None:
    """Write what the next case would at least; a worker whose disk was full may not have been able to say so."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(ROOM))
        file.flush()
