"""The choice: what a user asks a session for, looked at before anything is rendered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fluxgate import configuration
from fluxgate.baselines import integrity, local_copy
from fluxgate.baselines.durations import accepted_seconds
from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.baselines.store import OWN, Store
from fluxgate.cases import Case, matrix
from fluxgate.environment import Environment
from fluxgate.judge.readers import reader_named
from fluxgate.judge.standards import BaselineUse, known_failures_of
from fluxgate.machine import Machine, Stack, memory_limit
from fluxgate.options import SHARED, chosen, seconds, whole_number
from fluxgate.refusal import Refusal
from fluxgate.rendering import id_of_case
from fluxgate.runs.shards import Shard, deal, parse_shard
from fluxgate.session.at_once import as_many_as_fit
from fluxgate.session.tiers import Tier, cases_of, tier_named
from fluxgate.strategies.available import strategies
from fluxgate.subjects import sources
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.subject import Subject
from fluxgate.support import outside_support

CASE_TIMEOUT = float(SHARED["case-timeout"].default)  # seconds; a guard against a hang, not a limit of speed
MOST_TAKES = 100
MOST_AT_ONCE = 64
AUTO = "auto"


@dataclass(frozen=True)
class Request:
    """What a user asks for, as it was typed; what is empty or None is left to its default."""

    subjects: Sequence[str] = ()
    strategies: Sequence[str] = ()  # these in place of the tier's
    tier: str | None = None
    takes: str | None = None
    vram_limit: str | None = None
    at_once: str | None = None
    case_timeout: str = SHARED["case-timeout"].default
    runs: Path = Path(SHARED["runs"].default)
    baselines: Path = OWN
    require_baseline: bool = False
    no_baseline: bool = False
    shard: str | None = None
    catalogue: Path | None = None  # a file of subjects; None: the one that the environment names, if it does


@dataclass(frozen=True)
class Choice:
    """What a session is about: everything that a user may have got wrong was looked at, and nothing was rendered."""

    environment: Environment
    cases: tuple[Case, ...]  # the chosen subjects under every strategy
    strategies: tuple[str, ...]  # those that are asked about
    takes: int | None
    vram_limit: int | None
    at_once: int  # cases that may share a device
    timeout: float
    runs: Path
    baselines: Store
    baseline_use: BaselineUse
    shard: Shard | None = None  # which part of them this session asks about; None: all

    @property
    def machine(self) -> Machine:
        return self.environment.machine

    @property
    def stack(self) -> Stack:
        return self.environment.stack

    @property
    def named(self) -> tuple[Case, ...]:
        """The cases that are asked about by this session and the other shards together."""
        return tuple(case for case in self.cases if case.strategy.name in self.strategies)

    @cached_property
    def shards(self) -> Mapping[str, int]:
        """Case -> the shard that asks about it; empty where there are none."""
        if self.shard is None:
            return {}
        return deal(self.named, accepted_seconds(self.baselines, self.machine.id, self.named), self.shard.of)

    @property
    def asked(self) -> tuple[Case, ...]:
        """The cases that this session asks about, those that cannot run here among them."""
        shard = self.shard
        return tuple(case for case in self.named if shard is None or self.shards[case.id] == shard.number)

    @property
    def renderable(self) -> tuple[Case, ...]:
        """Those of them that can run here."""
        return tuple(case for case in self.asked if case.unsupported is None)

    @property
    def needed(self) -> tuple[Case, ...]:
        """The same, each after those that it is compared with and that can run here."""
        return self.with_references(self.asked)

    def with_references(self, cases: Iterable[Case]) -> tuple[Case, ...]:
        """Those of the cases that can run here, each after those that it is compared with and that can, too."""
        by_id = {case.id: case for case in self.cases if case.unsupported is None}
        ids = (
            id_of_case(case.subject.name, name)
            for case in cases
            if case.unsupported is None
            for name in (*case.strategy.promise.compared_with, case.strategy.name)
        )
        return tuple(by_id[each] for each in dict.fromkeys(ids) if each in by_id)

    @cached_property
    def known_failures(self) -> tuple[KnownFailure, ...]:
        return known_failures_of(self.baselines, subjects=subjects())


def choose(request: Request, *, environment: Environment | None = None) -> Choice:
    """The choice that a request is, or a refusal that says what must be changed first.

    environment: where to render; None for that of this process."""
    environment = environment or Environment.current()
    machine, libraries, catalogue = environment.machine, environment.stack, subjects(request.catalogue)
    unfit = outside_support(libraries, torch=machine.torch)
    if unfit:
        raise Refusal(unfit)
    subject = request.subjects or configuration.current().subject or ["miniature"]
    names = chosen(subject, among=catalogue, option="--subject")
    available, limit, takes = strategies(), request.vram_limit, request.takes
    cases = matrix([catalogue[name] for name in names], available, machine=machine, stack=libraries)
    return Choice(
        environment=environment,
        cases=cases,
        strategies=_strategies(request, cases, among=[strategy.name for strategy in available]),
        takes=whole_number(takes, option="--takes", most=MOST_TAKES) if takes is not None else None,
        vram_limit=memory_limit(limit, of=machine, option="--vram-limit") if limit is not None else None,
        at_once=_at_once(request.at_once, machine, [catalogue[name] for name in names]),
        timeout=seconds(request.case_timeout, option="--case-timeout"),
        runs=request.runs,
        baselines=local_copy.store_at(request.baselines, machine=machine.id, subjects=names),
        baseline_use=baseline_use(required=request.require_baseline, ignored=request.no_baseline),
        shard=parse_shard(request.shard, option="--shard") if request.shard is not None else None,
    )


def _strategies(request: Request, cases: Iterable[Case], *, among: Sequence[str]) -> tuple[str, ...]:
    """The names that were asked for, else those of the tier."""
    tier = tier_named(request.tier, option="--tier") if request.tier is not None else Tier.ALL
    of_tier = [case.strategy.name for case in cases_of(tier, cases)]
    return chosen(request.strategies or of_tier, among=among, option="--strategy", listing="fluxgate list")


def _at_once(asked: str | None, machine: Machine, among: Sequence[Subject]) -> int:
    """How many cases may share a device: one, unless a user asked for more or left it open."""
    if asked is None:
        return 1
    if asked == AUTO:
        return as_many_as_fit(machine, among)
    return whole_number(asked, option="--at-once", most=MOST_AT_ONCE, instead=AUTO)


def baseline_use(*, required: bool, ignored: bool) -> BaselineUse:
    """What two options say together."""
    if required and ignored:
        raise Refusal("--require-baseline and --no-baseline exclude each other.")
    return BaselineUse.REQUIRED if required else BaselineUse.IGNORED if ignored else BaselineUse.IF_ANY


def refuse_unready(choice: Choice) -> None:
    """Refuse pipelines and readers that are not there; what the hub has is fetched when it is needed."""
    for subject in {case.subject.name: case.subject for case in choice.renderable}.values():
        sources.refuse_unready(subject)
        if subject.reader is not None:
            reader_named(subject.reader)


def refuse_damaged(choice: Choice) -> None:
    """Refuse baselines that are not as they were accepted, and known failures of what does not exist."""
    _ = choice.known_failures
    names = {case.subject.name for case in choice.renderable}
    accepted = choice.baseline_use is not BaselineUse.IGNORED
    integrity.refuse_damaged(choice.baselines, machine=choice.machine.id, subjects=names, accepted=accepted)
