"""A process on a node that holds gates, or renders a part of one: `python -m fluxgate.gate.node_process FOLDER`."""

from __future__ import annotations

import datetime
import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from fluxgate.environment import Environment
from fluxgate.files import write_plain
from fluxgate.fleet.job import News
from fluxgate.fleet.nodes import kind_differs
from fluxgate.fleet.packing import unpack
from fluxgate.fleet.serving import GIVEN, RESULT, NextJob, Tell, serve
from fluxgate.gate.environments.choice import choose_installer
from fluxgate.gate.holding import Held, hold
from fluxgate.gate.node_job import DEEPEST, STACKS_MADE, GateJob, StacksMade, from_json
from fluxgate.gate.result import About, as_plain
from fluxgate.gate.settings import Settings
from fluxgate.gate.sides import OpenStack, Stack, imports_of, times_anew
from fluxgate.gate.stacks import Asked, Stacks, Unmade, asked_of, make_stacks
from fluxgate.locks import Say
from fluxgate.refusal import Refusal
from fluxgate.rendering import RENDERING
from fluxgate.report.gate_folder import FACTS
from fluxgate.report.gate_result import CANDIDATE, INCUMBENT
from fluxgate.session.choice import refuse_unready
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.sources import cache_folder

RUNS = "fleet"  # in the cache: what was rendered, for later gates of the same stacks


def main() -> None:
    serve(do_jobs)


def do_jobs(next_job: NextJob, folder: Path, tell: Tell) -> None:
    """Do what is asked for; both stacks stay open between cases that are rendered ahead."""

    def report(line: str) -> None:
        tell(News(says=line))

    with ExitStack() as resources:
        opened: _Opened | None = None
        while True:
            job = from_json(next_job())
            try:
                _refuse_unfit(job)
                (folder / RESULT).mkdir()
                if not job.ahead:
                    resources.close()
                    opened = None
                    _hold(job, folder, report)
                else:
                    opened = opened or _Opened(job, folder, resources, report)
                    opened.render(job, folder / RESULT)
                tell(News(ended=True))
            except Refusal as refusal:
                shutil.rmtree(folder / RESULT, ignore_errors=True)
                tell(News(refused=str(refusal)))


def _refuse_unfit(job: GateJob) -> None:
    """Refuse a job of another machine or stack than this node's, or of subjects that mean something else here."""
    environment = Environment.current()
    differs = kind_differs((environment.machine, environment.stack), (job.machine, job.stack))
    if differs is not None:
        raise Refusal(f"The node is not what it was: {differs}.")
    here = subjects()
    for subject in job.subjects:
        if here.get(subject.name) != subject:
            raise Refusal(f"Its catalogue does not have the {subject.name} that is meant: set FLUXGATE_SUBJECTS there.")


def _hold(job: GateJob, folder: Path, report: Say) -> None:
    """Hold the whole gate, with what other nodes have rendered of it, and leave the result and both runs."""
    settings, asked = _settings(job), _asked(job, folder)

    def take(made: Stacks) -> None:
        _take_given(folder, made, settings, report)

    def decided(held: Held) -> None:
        report(held.gated.decision.sentence)

    installer = choose_installer(settings.installer, wheelhouse=settings.wheelhouse, sources=asked.sources)
    held = hold(asked, settings, installer=installer, report=report, decided=decided, made=take)
    _write_result(held, job, folder / RESULT)


def _write_result(held: Held, job: GateJob, result: Path) -> None:
    about = About(
        Path(job.folder),
        tier=",".join(job.settings.strategies) or job.settings.tier.value,
        command=job.settings.command,
        started=datetime.datetime.fromisoformat(job.started),
        upgrade=job.upgrade,
        files=bool(job.pins),
    )
    plain = as_plain(held, about)
    # Whoever has called puts the runs where it wants them.
    write_plain(result / FACTS, replace(plain, runs={name: f"../../{name}" for name in plain.runs}))
    for name, run in held.gated.runs.items():
        shutil.copytree(run.folder, result / name)


def _settings(job: GateJob) -> Settings:
    """As they were sent, with this node's own runs."""
    return replace(job.settings, runs=cache_folder() / RUNS)


def _asked(job: GateJob, folder: Path) -> Asked:
    """What is to be gated; files of pins are written here as they are there."""
    texts = job.upgrade
    if job.pins:
        texts = ("old.txt", "new.txt")
        for name, text in zip(texts, job.pins, strict=True):
            (folder / name).write_text(text, encoding="utf-8")
        texts = tuple(str(folder / name) for name in texts)
    return asked_of(texts, python=job.python, first=job.first)


# Rendering ahead


class _Opened:
    """Both stacks of a gate, open."""

    def __init__(self, job: GateJob, folder: Path, resources: ExitStack, report: Say) -> None:
        settings = _settings(job)
        asked = _asked(job, folder)
        installer = choose_installer(settings.installer, wheelhouse=settings.wheelhouse, sources=asked.sources)
        self.made = make_stacks(asked, installer=installer, imports=imports_of(settings), report=report)
        self._sides: dict[str, OpenStack] = {}
        if isinstance(self.made, Stacks):
            stacks = _stacks(self.made, settings, report)
            refuse_unready(stacks[INCUMBENT].choice)
            self._sides = {name: stack.open(resources) for name, stack in stacks.items()}

    def render(self, job: GateJob, result: Path) -> None:
        """Render the job's cases, each in one stack and then in the other, and leave them by case and stack."""
        write_plain(result / STACKS_MADE, _told(self.made))
        for case_id in job.ahead:
            for attempt in range(1, job.settings.repeats + 1):
                self._render(case_id, attempt, result)

    def _render(self, case_id: str, attempt: int, result: Path) -> None:
        like = None
        for name, side in self._sides.items():
            rendered = side.once(case_id, attempt, like=like)
            if rendered is None:
                continue
            like = like or rendered.rendering
            shutil.copytree(rendered.folder, result / case_id / name / str(attempt))


def _stacks(made: Stacks, settings: Settings, report: Say) -> dict[str, Stack]:
    built = {INCUMBENT: made.incumbent, CANDIDATE: made.candidate}
    return {name: Stack(one, settings=settings, report=report, name=name) for name, one in built.items()}


def _told(made: Stacks | Unmade) -> StacksMade:
    incumbent = dict(made.incumbent.pins.versions)
    return StacksMade(incumbent, dict(made.candidate.pins.versions) if isinstance(made, Stacks) else {})


def _take_given(folder: Path, made: Stacks, settings: Settings, report: Say) -> None:
    """Put what other nodes have rendered into this node's runs of the same stacks, where these do not have it.

    Whoever sent it has seen that it is whole, and that their stacks are alike."""
    data = (folder / GIVEN).read_bytes()
    # What is to be rendered anew may be what other nodes still have from before.
    if not data or any(times_anew(one, settings) for one in (made.incumbent, made.candidate)):
        return
    given = folder / "given"
    shutil.rmtree(given, ignore_errors=True)
    unpack(data, given, whence="whoever called", deep=DEEPEST)
    stacks = _stacks(made, settings, report)
    for path in sorted(given.glob(f"*/*/*/{RENDERING}")):
        case_id, name, attempt = path.parts[-4:-1]
        run = stacks[name].run_of(int(attempt))
        if run.rendered(case_id) is None:
            shutil.rmtree(run.case_folder(case_id), ignore_errors=True)
            shutil.move(path.parent, run.case_folder(case_id))
    shutil.rmtree(given)


if __name__ == "__main__":
    main()
