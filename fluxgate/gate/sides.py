"""A built environment as one side of a gate: its cases are rendered once, and later gates use them again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from fluxgate import configuration
from fluxgate.cases import Case
from fluxgate.environment import ENGINE, Environment
from fluxgate.files import read_plain, write_plain
from fluxgate.gate.environments.building import Built
from fluxgate.gate.environments.cloning import code, contents
from fluxgate.gate.environments.importing import NEEDED, WITHOUT_FLUX
from fluxgate.gate.outcome import Side
from fluxgate.gate.settings import ANEW, STACKS, Settings
from fluxgate.locks import Say, held
from fluxgate.options import chosen, seconds
from fluxgate.refusal import Refusal
from fluxgate.rendering import CrashKind, Rendering
from fluxgate.runs import run as runs
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import CASES, Run
from fluxgate.session.choice import CASE_TIMEOUT, Choice, Request, choose
from fluxgate.session.session import Session, create_run, open_session
from fluxgate.strategies.available import own_packages, strategies
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.sources import locate
from fluxgate.subjects.subject import Subject

# Crashes that say nothing about a stack: these are rendered again.
OF_THE_DAY = (CrashKind.INTERRUPTED, CrashKind.DISK_FULL)
FLUX = "FluxPipeline"
HANGS_AFTER = 20  # times as long as the incumbent took
SHORTEST_HANG = 300.0  # seconds
MEASURING = ("render", "strategies", "rendering.py")  # of the engine


class Stack:
    """A built environment and the run that its cases are rendered into."""

    def __init__(self, built: Built, *, settings: Settings, report: Say, name: str, attempt: int = 1) -> None:
        self.built = built
        self.environment = Environment.at(built.python)
        self.choice = replace(choose(request_of(settings), environment=self.environment), runs=settings.runs / STACKS)
        self._settings, self._anew = settings, times_anew(built, settings)
        self.is_timeout_named = settings.case_timeout is not None
        self.cases = {case.id: case for case in self.choice.cases}
        self.run = self.run_of(attempt)
        self._report = lambda line: report(f"{name}: {line}")

    def run_of(self, attempt: int, *, choice: Choice | None = None) -> Run:
        """The run of the first, second, … rendering of this stack, without what this day has spoilt in it.

        choice: other cases than this stack's own."""
        choice = choice or self.choice
        folder = self._settings.runs / STACKS / self._key(choice, attempt)
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder / ".lock", waiting="waiting for another gate"):
            if not any(folder.glob(f"*/{runs.FACTS}")):
                return create_run(replace(choice, runs=folder), command=self._settings.command)
            run = runs.latest(folder)
            for case_id in self.cases:
                _remove_spoilt(run, case_id, granted=self._granted)
            return run

    @property
    def _granted(self) -> float:
        """Seconds that each worker has at the least: those that the user has named, or what no hang is shorter than."""
        return self.choice.timeout if self.is_timeout_named else SHORTEST_HANG

    def open(self, stack: ExitStack) -> OpenStack:
        """A session that renders into the stack's run, until the exit stack ends."""
        return OpenStack(self, stack.enter_context(open_session(self.choice, self.run, report=self._report)))

    def _key(self, choice: Choice, attempt: int) -> str:
        """The same for the same packages on the same machine, asked for the same pictures and measured in the same
        way."""
        recipes = {case.subject.name: [shot.recipe for shot in case.shots] for case in choice.cases}
        named = {case.subject.name: case.subject for case in choice.cases}
        states = {name: _subject(subject) for name, subject in named.items()}
        parts = [self.built.folder.name, choice.machine.id, recipes, attempt, states, measuring()]
        parts += [self._anew] if self._anew else []
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def times_anew(built: Built, settings: Settings) -> int:
    """How often the renderings of a stack were left aside, because they were not the same twice."""
    path = _anew(built, settings)
    return read_plain(path, int) if path.exists() else 0


def render_anew(built: Built, settings: Settings) -> None:
    """Leave a stack's renderings to the gates that were held on them: the next one must not find the same in them."""
    write_plain(_anew(built, settings), times_anew(built, settings) + 1)


def _anew(built: Built, settings: Settings) -> Path:
    return settings.runs / STACKS / ANEW / f"{built.folder.name}.json"


def refuse_unknown(settings: Settings) -> None:
    """Refuse subjects and strategies that there are none of, before an environment is made for them."""
    _chosen_subjects(settings)
    chosen(
        settings.strategies,
        among=[strategy.name for strategy in strategies()],
        option="--strategy",
        listing="fluxgate list",
    )
    if settings.case_timeout is not None:
        seconds(settings.case_timeout, option="--case-timeout")


def imports_of(settings: Settings) -> tuple[str, ...]:
    """What a stack must be able to import for the chosen subjects."""
    return NEEDED if any(one.pipeline == FLUX for one in _chosen_subjects(settings)) else WITHOUT_FLUX


def _chosen_subjects(settings: Settings) -> list[Subject]:
    catalogue = subjects(settings.catalogue)
    asked = settings.subjects or configuration.current().subject or ["miniature"]
    return [catalogue[name] for name in chosen(asked, among=catalogue, option="--subject")]


def _remove_spoilt(run: Run, case_id: str, *, granted: float) -> None:
    """Remove what was interrupted, spoilt by a full disk, or ended after fewer seconds than it is granted now, unless
    another gate is rendering it."""
    rendering = run.rendered(case_id)
    if rendering is None or rendering.crash is None:
        return
    too_early = rendering.crash.kind == CrashKind.TIMEOUT and rendering.wall_seconds < granted
    if rendering.crash.kind not in OF_THE_DAY and not too_early:
        return
    with suppress(TimeoutError), held(run.folder / CASES / f".{case_id}.lock", waiting="", timeout=0):
        shutil.rmtree(run.case_folder(case_id))


def request_of(settings: Settings) -> Request:
    """What a session is asked for, for each of the two stacks."""
    return Request(
        subjects=settings.subjects,
        case_timeout=settings.case_timeout or f"{CASE_TIMEOUT:.0f}",
        no_baseline=True,
        runs=settings.runs / STACKS,
        catalogue=settings.catalogue,
    )


@dataclass(frozen=True)
class OpenStack:
    """A stack with the session that renders its cases."""

    stack: Stack
    session: Session

    def side(self, case: Case) -> Side:
        """What this stack gives of a case, with all verdicts on it."""
        return self.judged(self.render(case))

    def render(self, case: Case, *, attempts: int = 1, control: bool = False, like: Rendering | None = None) -> Side:
        """What this stack gives of a case, how often it is asked for, without verdicts on it.

        control: its first shot once more. like: what the incumbent gave; a worker that takes many times as long
        hangs."""
        own, libraries = self.stack.cases[case.id], self.stack.environment.stack
        if own.unsupported is not None:
            return Side(own, libraries)
        self._hold_to(like)
        renderings = self.session.render(own)
        _refuse_spoilt(renderings.values())
        repeats = (self.again(case, attempt) for attempt in range(2, attempts + 1))
        # A crash may come of a later shot than the first, which says nothing about it.
        control = control and not any(one.rendering.crash for one in renderings.values())
        part = self.again(case, 2, choice=first_shots(self.session.choice)) if control else None
        whole = tuple(filter(None, repeats))
        return Side(own, libraries, renderings.get(case.id), repeats=whole, control=part)

    def judged(self, side: Side, *, read: bool = True) -> Side:
        """The same with the verdicts on its first rendering.

        read: what the pictures show is asked, too, which takes a processor half a second a picture."""
        if side.rendered is None:
            return side
        asked = side.case if read else replace(side.case, subject=replace(side.case.subject, reader=None))
        verdicts = self.session.judge(asked, self.session.render(side.case))
        return replace(side, verdicts={one.check: one for one in verdicts})

    def pictures(self, side: Side) -> dict[tuple[str, str, int], str]:
        """The hash of each picture that the verdicts on a side look at, those of its references among them."""
        return {
            (case_id, *key): picture.sha256
            for case_id, rendered in self.session.render(side.case).items()
            for key, picture in rendered.rendering.pictures_of().items()
        }

    def again(self, case: Case, attempt: int, *, choice: Choice | None = None) -> Rendered | None:
        """The same case, or what another choice has under its name, once more in another run of the same stack."""
        rendered = self.session.into(self.stack.run_of(attempt, choice=choice), choice=choice).rendered(case.id)
        _refuse_spoilt([rendered] if rendered else [])
        return rendered

    def once(self, case_id: str, attempt: int, *, like: Rendering | None = None) -> Rendered | None:
        """One rendering of a case, without what it is compared with; None where it cannot run in this stack."""
        case = self.stack.cases[case_id]
        if case.unsupported is not None:
            return None
        self._hold_to(like)
        if attempt > 1:
            return self.again(case, attempt)
        rendered = self.session.rendered(case_id)
        _refuse_spoilt([rendered] if rendered else [])
        return rendered

    def _hold_to(self, like: Rendering | None) -> None:
        """Give a worker no more than many times what the incumbent's took, unless the user has said how long.

        Where the incumbent has none, or crashed, nobody knows how long it would have taken."""
        if self.stack.is_timeout_named:
            return
        timeout = CASE_TIMEOUT
        if like is not None and like.crash is None:
            timeout = min(max(HANGS_AFTER * like.wall_seconds, SHORTEST_HANG), CASE_TIMEOUT)
        self.session.choice = replace(self.session.choice, timeout=timeout)


def first_shots(choice: Choice) -> Choice:
    """The same cases, each with its first shot alone, which is rendered once: what it is held to is another process."""
    return replace(choice, cases=tuple(map(_first_shot, choice.cases)), takes=1)


def _first_shot(case: Case) -> Case:
    return replace(case, subject=replace(case.subject, shots=case.shots[:1]))


def _refuse_spoilt(renderings: Iterable[Rendered]) -> None:
    """Refuse what a full disk has spoilt: it is no fault of the stack's."""
    for rendered in renderings:
        crash = rendered.rendering.crash
        if crash is not None and crash.kind == CrashKind.DISK_FULL:
            case_id = rendered.rendering.case_id
            raise Refusal(f"The disk was full while {case_id} was rendered; make room. The next call goes on.")


def _subject(subject: Subject) -> list[str]:
    """All that the catalogue says of a subject, and the state of its files where no commit of the hub names them."""
    folder = [] if subject.source.startswith("hub:") else [json.dumps(contents(locate(subject)))]
    files = [*folder, *(code(Path(file)) for file in subject.single_files)]
    return [msgspec.json.encode(subject, order="sorted").decode(), *files]


def measuring() -> list[str]:
    """The code that renders and measures, the user's own strategies with it: other code may measure otherwise."""
    return [code(place) for place in (*(ENGINE / name for name in MEASURING), *own_packages())]
