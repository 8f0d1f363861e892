"""Tolerances: how far each stage may lie from the oracle, by what was measured of sound stacks."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from fluxgate.baselines.limits import Limit
from fluxgate.baselines.memory_limits import SPREADS
from fluxgate.cases import Case
from fluxgate.files import read_plain
from fluxgate.machine import Stack
from fluxgate.miniature.given import FORETELLING_CACHE
from fluxgate.rendering import DECODED, LAST_LATENTS, POOLED, T5, Inventory, is_output, without_call
from fluxgate.strategies import STRATEGIES
from fluxgate.subjects.subject import Subject

FILE = Path(__file__).parents[1] / "miniature" / "tolerances.json"
# Times the largest that was seen, at least: few machines were measured, and kernels differ more than their spread says.
BEYOND_LARGEST = 1.5
WORST_BEYOND_LARGEST = 2.0  # a single number differs more from device to device than the mean square of all
ELSEWHERE = 2.0  # times that, on a kind of device on which the stage was not measured
OTHER_INPUTS = 4.0  # times that, where the same work was measured with other inputs only: up to 3.9 times were seen
# Times that, with other releases of what computes the stage than those that were measured: they round in another order.
# Seen on GPUs: T5 of transformers 4.57.6 lies 1.6 times as far as 5.17.0's in bfloat16, 5.23.0's 3.6 times in float32.
OTHER_RELEASES = {"float32": 4.0}
OTHER_RELEASE = 2.0  # in every other dtype
# Times that, on a machine of the same kind of device that was not measured: its kernels add in another order. On an
# Intel CPU with torch 2.11.0 pooled embeddings lie 2.5 times as far in float32 as the farthest on AMD's CPUs, so that
# 1.5 or 2 times the largest is not enough; in bfloat16 no stage came near its limit there.
OTHER_MACHINE = {"float32": 2.0}
# Times that, where a step is foretold from two others, whose roundings add up: 2.0 times was seen in bfloat16.
FORETOLD = 3.0
COMPUTING = ("transformers", "diffusers", "bitsandbytes")
MINIATURE = "miniature"  # the subject of most that was measured
LENGTH_SHOWS = ("float32",)  # dtypes that round so little that it shows how many numbers a sum has


# However near a stage was seen to lie, it may lie as far as a rounding of its dtype: a picture a level in 400.
ROUNDINGS = {"float32": (2**-22, 2**-20), "float16": (2**-11, 2**-9), "bfloat16": (2**-9, 2**-7), "uint8": (0.05, 1.0)}


@dataclass(frozen=True)
class Seen:
    """A distance, as it was seen on sound stacks."""

    most: float
    mean: float
    spread: float
    n: int

    def ceiling(self, beyond: float = BEYOND_LARGEST) -> float:
        return max(self.mean + SPREADS * self.spread, beyond * self.most)


@dataclass(frozen=True)
class Tolerance:
    """One kind of stage, of one dtype, under one strategy."""

    strategy: str  # the one that others reproduce
    stage: str
    dtype: str
    rms: Seen
    worst: Seen
    control: str | None = None  # the strategy's
    altered: bool = False  # whether the weights that the stage computes with are quantized or cast
    weights: str = MINIATURE  # the subject of whose weights this was measured, as whose_weights says
    sessions: tuple[int, ...] = (0,)  # which of its device's it was measured in


@dataclass(frozen=True)
class Session:
    """Where, with what and when sound stacks were seen."""

    machines: tuple[str, ...]
    stack: dict[str, str]
    date: str


@dataclass(frozen=True)
class Measured:
    """What was measured on one kind of device."""

    device: str
    sessions: tuple[Session, ...]
    tolerances: tuple[Tolerance, ...]


@dataclass(frozen=True)
class Tolerances:
    """What tolerances.json holds."""

    measured: tuple[Measured, ...] = field(default_factory=tuple)


@functools.cache
def tolerances() -> Tolerances:
    """What ships."""
    return read_plain(FILE, Tolerances)


def root_of(strategy: str) -> str:
    """The strategy that others reproduce: `nf4` for `nf4-model-offload`, `full` for what reproduces it."""
    promises = {one.name: one.promise for one in STRATEGIES}
    while strategy in promises and promises[strategy].reproduces is not None:
        strategy = promises[strategy].reproduces or strategy
    return strategy


def component_of(stage: str, subject: Subject) -> str | None:
    """The component whose weights a stage computes with."""
    encoders = subject.encoders or ("",)
    if is_output(stage) or without_call(stage) == LAST_LATENTS:
        return subject.denoiser
    return {T5: encoders[-1], POOLED: encoders[0], DECODED: subject.decoder}.get(without_call(stage))


def is_altered(stage: str, subject: Subject, inventory: Inventory | None) -> bool:
    """Whether those weights are stored otherwise than the file has them: quantized, or cast to eight bits."""
    component = inventory.components.get(component_of(stage, subject) or "") if inventory else None
    if component is None:
        return False
    return component.quantized_bytes > 0 or any(name.startswith("float8") for name in component.bytes_by_dtype)


def whose_weights(subject: str, dtype: str, *, altered: bool) -> str:
    """The subject whose weights say how far a stage may lie: its own where they are quantized or cast, since a format
    loses more of some than of others, and where the length of its sums shows; else the miniature."""
    return subject if altered or dtype in LENGTH_SHOWS else MINIATURE


@dataclass(frozen=True)
class Limits:
    """The ceilings of one stage's two distances."""

    rms: Limit
    worst: Limit


def limits_of(
    case: Case,
    stage: str,
    dtype: str,
    *,
    altered: bool,
    machine: str | None = None,
    stack: Stack | None = None,
    known: Tolerances | None = None,
) -> Limits | None:
    """As measured on such a device, else on another with twice the room; None where nothing like it was measured.

    A machine that is not among the measured ones, and a stack with other releases than theirs, have more room, too. Of
    several sessions that a stage was measured in, the limit tells the one most like the case's.

    A stage of a later call or step that was measured nowhere has four times the room of the same work elsewhere. Where
    the subject's own weights matter, what was measured of them comes first."""
    sets = sorted((known or tolerances()).measured, key=lambda each: each.device != case.device)
    weights = dict.fromkeys((whose_weights(case.subject.name, dtype, altered=altered), MINIATURE))
    for whose, (like, wider) in product(weights, ((_same_stage, 1.0), (_same_work, OTHER_INPUTS))):
        for group in sets:
            alike = [
                one for one in group.tolerances if (one.dtype, one.altered, one.weights) == (dtype, altered, whose)
            ]
            tolerance = _tolerance(case, [one for one in alike if like(one, stage)], altered=altered)
            if tolerance is not None:
                sessions = [group.sessions[index] for index in tolerance.sessions]
                elsewhere = _on_another_machine(sessions, machine, dtype) if group.device == case.device else ELSEWHERE
                factor = wider * elsewhere * _with_other_releases(sessions, stack, dtype) * _of_its_own(case, stage)
                told = max(sessions, key=lambda each: (_same_releases(each, stack), machine in each.machines))
                return _limits(tolerance, _Origin(group.device, told, factor))
    return None


def _limits(tolerance: Tolerance, origin: _Origin) -> Limits:
    rms, worst = ROUNDINGS.get(tolerance.dtype, (0.0, 0.0))
    return Limits(
        origin.limit(tolerance.rms, BEYOND_LARGEST, least=rms),
        origin.limit(tolerance.worst, WORST_BEYOND_LARGEST, least=worst),
    )


def _on_another_machine(sessions: Sequence[Session], machine: str | None, dtype: str) -> float:
    """How much more room a machine has that is not among the measured ones."""
    known = machine is None or any(machine in each.machines for each in sessions)
    return 1.0 if known else OTHER_MACHINE.get(dtype, 1.0)


def _with_other_releases(sessions: Sequence[Session], stack: Stack | None, dtype: str) -> float:
    """How much more room a stack has that is not among the measured ones."""
    known = any(_same_releases(each, stack) for each in sessions)
    return 1.0 if known else OTHER_RELEASES.get(dtype, OTHER_RELEASE)


def _same_releases(session: Session, stack: Stack | None) -> bool:
    """Of what computes the stages."""
    return all(version == session.stack.get(name) for name, version in (stack or {}).items() if name in COMPUTING)


def _of_its_own(case: Case, stage: str) -> float:
    """How much more room a stage has where its strategy computes another thing than those that were measured; how far
    such strategies lie was seen on CPUs alone."""
    computed_as = case.strategy.promise.computed_as
    if computed_as is None or component_of(stage, case.subject) != case.subject.denoiser:
        return 1.0
    return (FORETOLD if computed_as == FORETELLING_CACHE else 1.0) * (1.0 if case.device == "cpu" else ELSEWHERE)


def _tolerance(case: Case, fitting: Sequence[Tolerance], *, altered: bool) -> Tolerance | None:
    """The strategy's own; else of those with the file's weights, where it has them; else of those with its control."""
    own = [one for one in fitting if one.strategy == root_of(case.strategy.name)]
    control = case.strategy.promise.control
    others = [one for one in fitting if not altered or (control and one.control == control)]
    if altered:  # the distances of all steps add up to another sum with each format
        others = [one for one in others if without_call(one.stage) != LAST_LATENTS]
    return max(own or others, key=lambda one: one.rms.ceiling(), default=None)


def _same_stage(tolerance: Tolerance, stage: str) -> bool:
    return tolerance.stage == stage


def _same_work(tolerance: Tolerance, stage: str) -> bool:
    """Whatever the call and the step."""
    return _work_of(tolerance.stage) == _work_of(stage)


def _work_of(stage: str) -> str:
    """What is done at the stage, in whichever call and step."""
    return without_call(stage).rstrip("0123456789")


@dataclass(frozen=True)
class _Origin:
    """What a limit is made from beside what was seen."""

    device: str
    session: Session
    factor: float

    def limit(self, seen: Seen, beyond: float, *, least: float) -> Limit:
        room = "" if self.factor == 1 else f" on a {self.device.upper()}, with {self.factor:g} times the room"
        return Limit(
            max(self.factor * seen.ceiling(beyond), least),
            f"measured{room}",
            mean=seen.mean,
            spread=seen.spread,
            n=seen.n,
            machine=", ".join(self.session.machines),
            stack=self.session.stack,
            date=self.session.date,
        )
