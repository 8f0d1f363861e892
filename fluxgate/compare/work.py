"""What was done, on both sides: every operator, module, move and event that was counted another number of times."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from fluxgate.amounts import distinct
from fluxgate.rendering import DECODE, DENOISE, ENCODE, PHASES, PhaseWork, Unmoved, Work

OPERATORS, FLOPS, BYTES, MOVES, COMPONENTS, MODULES, EVENTS, REPEATS = SECTIONS = (
    "operators",
    "flops",
    "bytes",
    "moves",
    "components",
    "modules",
    "events",
    "repeats",
)
# What holds across releases of torch and of the libraries: a product has as many floating-point operations however it
# is dispatched, and a byte that crosses to a device is a byte. Operators, classes and hooks go by names of theirs.
TO_DEVICE, TO_HOST = "host to device", "device to host"
FILES_READ, FILES_WRITTEN = "weight files read", "weight files written"
WEIGHTS_ASKED = "weights asked to move"  # all that shows of an offload where there is no GPU
HELD = ((BYTES, TO_DEVICE), (BYTES, TO_HOST))
# Operators that see the same numbers in another shape or place, and touch none of them.
VIEWS = frozenset(
    {
        "aten._reshape_alias", "aten._unsafe_view", "aten.alias", "aten.as_strided", "aten.chunk", "aten.detach",
        "aten.detach_", "aten.diagonal", "aten.expand", "aten.is_pinned", "aten.lift_fresh", "aten.narrow",
        "aten.permute", "aten.select", "aten.set_", "aten.slice", "aten.split", "aten.split_with_sizes",
        "aten.squeeze", "aten.t", "aten.transpose", "aten.unbind", "aten.unfold", "aten.unsqueeze", "aten.view",
    }
)  # fmt: skip
# Operators that make room and fill it with nothing.
ROOM = frozenset({"aten.empty", "aten.empty_like", "aten.empty_strided", "aten.new_empty", "aten.new_empty_strided"})
IDLE = VIEWS | ROOM
# Of operators that are made of others, torch dispatches the whole in inference mode, and the parts otherwise.
WHOLE = ("aten.linear", "aten.to", "aten.conv2d")
COPIES = ("aten._to_copy", "aten.clone", "aten.copy_")  # of numbers that there are already
WAITS = ("waits for a copy", "waits for a result")  # counted where an operator of that name is dispatched
# What the host may wait for in these, and what is drawn from torch's own generator: no formula written otherwise.
ANSWERS = ("aten._local_scalar_dense", "aten.nonzero", "aten.equal")
DRAWS = ("aten.rand", "aten.randn", "aten.randint", "aten.randperm", "aten.bernoulli", "aten.normal_", "aten.uniform_")
ANSWERS_MORE = {ENCODE: 2, DECODE: 2}  # chosen, as of a mask that is looked at: nothing where there are no steps
# Waits of the host, and those of a stream that computes, which do as much where they come in place of the others.
HOST_WAITS = ("waits for the device", "Stream.synchronize", "Event.synchronize")
STREAM_WAITS = ("Stream.wait_stream", "Stream.wait_event")  # the one calls the other
CASTS = "cast on "  # how the names of copies begin that stay where they are and become another dtype
CAST_PLACES = (f"{CASTS}device", f"{CASTS}host")
AWAY = " to nowhere"  # how the names of moves to the meta device end, which keep no number
WITHIN = "within "  # how those begin that keep their dtype
ASKED = " asked to move"  # how the names of tensors end that somebody asked for, whether they moved or not
OTHERS_ASKED = f"other tensors{ASKED}"  # than weights
NEAR_BY = (CASTS, WITHIN, OTHERS_ASKED)  # of what may be less: none of it is of weights
NEAR = 0.01  # share by which these may differ between releases: another norm or rotation is no other work
SCALARS = 256  # bytes of copies that may be less: guidance, or a noise level, in another dtype
TOKENS = 4096  # bytes of copies that may be more: the same, or a prompt's tokens; latents of a small step are 8 KB
FEW_OPERATORS = 6  # that compute and may be more in a phase, chosen: two for a formula, in each of three steps
HEADERS = 0.001  # share, chosen, by which the bytes of files may differ: what a file says of itself beside its tensors
FEWER_ASKED = 0.01  # of the bytes of weights that are asked to move: one tensor, which layers share
FEW_COPIES = 0.02  # share by which copies may be more
FEW = 1 << 20  # bytes that come and go beside weights: prompts, noise, noise levels


@dataclass(frozen=True)
class WorkChange:
    """Something that was done another number of times."""

    phase: str
    section: str  # one of SECTIONS
    what: str
    before: int
    after: int

    @property
    def more(self) -> int:
        """How many more there are now; below zero, how many fewer."""
        return self.after - self.before

    @property
    def sentence(self) -> str:
        """`denoise calls aten.addmm 372 times instead of 186`."""
        return f"{self.phase} {_doing(self.section, self.what, self.before, self.after)}"


def same_call(expected: Work | None, actual: Work | None) -> bool:
    """Whether both sides counted the same call."""
    if expected is None or actual is None or not expected.calls or not actual.calls:
        return False
    return (expected.shot, expected.steps) == (actual.shot, actual.steps)


def work_changes(expected: Work | None, actual: Work | None) -> tuple[WorkChange, ...]:
    """Everything that is not the same, what is most telling first; none where a side was not counted."""
    if expected is None or actual is None or not same_call(expected, actual):
        return ()
    return changes_between(expected.first, actual.first)


def changes_between(expected: tuple[PhaseWork, ...], actual: tuple[PhaseWork, ...]) -> tuple[WorkChange, ...]:
    """Everything that one call did and another did not."""
    before, after = ({one.phase: one for one in side} for side in (expected, actual))
    found = [
        change
        for phase in PHASES
        if phase in before or phase in after
        for section in SECTIONS
        for change in _of_section(phase, section, before.get(phase), after.get(phase))
        if _are_counted_alike(before.get(phase), after.get(phase)) or not _is_by_operators(change)
    ]
    return tuple(sorted(found, key=_rank))


def _are_counted_alike(expected: PhaseWork | None, actual: PhaseWork | None) -> bool:
    """Whether both sides were called in inference mode, or neither was; a side that did nothing is like any."""
    if expected is None or actual is None:
        return True
    before, after = (any(name in one.operators for name in WHOLE) for one in (expected, actual))
    return before == after


def _is_by_operators(change: WorkChange) -> bool:
    """Whether it was counted by the names of operators: those that are dispatched as a whole have other names, and
    nobody sees what an `aten.to` copies or an `aten.item` waits for."""
    if change.section in (BYTES, MOVES):
        return change.what not in (WEIGHTS_ASKED, FILES_READ, FILES_WRITTEN)
    return change.section in (OPERATORS, FLOPS) or change.what in WAITS


def moved_alike(expected: tuple[PhaseWork, ...], actual: tuple[PhaseWork, ...], *, gpu: bool) -> frozenset[str]:
    """The phases in which what weights move is known by more than how often somebody asked for it: on a GPU by what
    really comes and goes, and elsewhere where no more of them are used without having been asked to move."""
    if gpu:
        return frozenset(PHASES)
    before = {one.phase: one.unmoved for one in expected}
    return frozenset(one.phase for one in actual if not _is_unmoved_more(before.get(one.phase), one.unmoved))


def _is_unmoved_more(before: Unmoved | None, after: Unmoved | None) -> bool:
    """True where nobody knows."""
    if before is None or after is None:
        return True
    return after.most > before.most or after.last > before.last or after.unasked > before.unasked


def costly_changes(
    changes: tuple[WorkChange, ...],
    *,
    moved_alike: Collection[str] = (),
    may_spare: bool = False,
    few: int = FEW_OPERATORS,
) -> tuple[WorkChange, ...]:
    """The changes of those phases in which more is done, or another thing: what is written otherwise, comes to as many
    operations and bytes and calls hardly more operators that compute, is no other work.

    moved_alike: the phases in which weights are known to move as they did, however often somebody asked for it.
    may_spare: whether fewer operations are no other work either, as where they are known to come to the same; but for
    modules that are not called at all any more.
    few: operators that compute and may be more in a phase."""
    by_phase = {phase: [one for one in changes if one.phase == phase] for phase in PHASES}
    costly = {
        phase
        for phase, those in by_phase.items()
        if _is_costly(those, moved_alike=phase in moved_alike, may_spare=may_spare, few=few)
    }
    return tuple(one for one in changes if one.phase in costly and not _is_view(one))


def _is_costly(changes: list[WorkChange], *, moved_alike: bool, may_spare: bool, few: int) -> bool:
    operations = sum(one.more for one in changes if one.section == FLOPS)
    spares = may_spare and not _is_left_out(changes)
    operators = [one for one in changes if one.section == OPERATORS and one.what not in IDLE]
    near = [one for one in changes if one.section in (BYTES, MOVES) and one.what.startswith(NEAR_BY)]
    exact = [one for one in changes if one.section not in (OPERATORS, MODULES, FLOPS) and one not in near]
    exact = [one for one in exact if not _is_spared(one, changes, moved_alike=moved_alike)]
    wider = [one for one in changes if _is_moved_wider(one, changes)]
    exact = [one for one in exact if one not in wider]
    sizes = [one for one in near if one.section == BYTES and one not in wider]
    small = sum(max(one.more, 0) for one in near if one.section == MOVES and one.what != OTHERS_ASKED)
    copies = [one for one in operators if one.what in COPIES]
    return (
        bool(exact)
        or operations > 0
        or (operations < 0 and not spares)
        or sum(one.more for one in operators if one.what not in COPIES) > few + _clones_less(copies)
        or any(sum(one.more for one in operators if one.what in names) > most for names, most in _no_formulas(changes))
        or (sum(one.more for one in operators) > 0 and not all(_is_a_copy_or_two(one, small) for one in copies))
        or any(one.more > TOKENS for one in sizes)
        or (_are_narrower(sizes, operators) and not (may_spare and operations < 0))
    )


def _clones_less(copies: list[WorkChange]) -> int:
    """How many clones fewer there are: other operators can have taken their place, as where numbers are stacked and
    not repeated. Of casts it is not known what they were for."""
    return sum(max(-one.more, 0) for one in copies if one.what == "aten.clone")


def _is_left_out(changes: list[WorkChange]) -> bool:
    """Whether a class of modules computes nothing any more, and no other one does in its place: then numbers of an
    earlier call are used, which may have been given something else."""
    modules = [one for one in changes if one.section == MODULES]
    return any(not one.after for one in modules) and all(one.before for one in modules)


def _no_formulas(changes: list[WorkChange]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Operators, and how many more of them there may be in the phase of these changes."""
    yield ANSWERS, max((ANSWERS_MORE.get(one.phase, 0) for one in changes), default=0)
    yield DRAWS, 0


def _is_spared(change: WorkChange, changes: list[WorkChange], *, moved_alike: bool) -> bool:
    """Whether the host waits less often, or hardly more so; less comes and goes, all of which may be other tensors than
    weights; weights are asked to move less often, though they move as they did; or files say more of themselves."""
    if change.what == WEIGHTS_ASKED:
        few = change.more == -1 if change.section == MOVES else 0 < -change.more <= FEWER_ASKED * change.before
        return few or (moved_alike and change.more < 0)
    if change.what.endswith(AWAY):
        return moved_alike and change.more < 0
    if change.what in (FILES_READ, FILES_WRITTEN):
        return change.section == BYTES and abs(change.more) <= of_headers(change.before)
    if change.what in (*HOST_WAITS, *STREAM_WAITS):
        return _is_traded(change, changes)
    if change.what in WAITS and 0 < change.more <= ANSWERS_MORE.get(change.phase, 0):
        return True
    fewer = -sum(one.more for one in changes if (one.section, one.what) == (change.section, OTHERS_ASKED))
    most = {TO_DEVICE: fewer, TO_HOST: fewer, **dict.fromkeys(WAITS, change.before)}
    return 0 < -change.more <= most.get(change.what, 0)


def _is_moved_wider(change: WorkChange, changes: list[WorkChange]) -> bool:
    """Whether a picture, or what an encoder gives, is cast before it goes and not once it is there: as often, and to
    no more than twice its bytes. In each step that would cost time."""
    if change.phase == DENOISE or change.section != BYTES:
        return False
    cast = _cast_before(changes)
    if change.what in CAST_PLACES:
        return cast > 0
    if any((one.section, one.what) == (MOVES, change.what) for one in changes):
        return False
    most = {OTHERS_ASKED: change.before, TO_HOST: cast}
    return 0 < change.more <= most.get(change.what, 0)


def _cast_before(changes: list[WorkChange]) -> int:
    """The bytes that are cast on the device and were cast on the host."""
    more = {what: sum(one.more for one in changes if (one.section, one.what) == (BYTES, what)) for what in CAST_PLACES}
    device, host = (more[what] for what in CAST_PLACES)
    return device if device == -host else 0


def of_headers(size: int) -> float:
    """The bytes by which what is read of files may differ, which say more or less of themselves now."""
    return max(TOKENS, HEADERS * size)


def _is_traded(change: WorkChange, changes: list[WorkChange]) -> bool:
    """Whether streams wait as often as the host waits less, or the host as often in another way."""
    more = {what: sum(one.more for one in changes if one.what == what) for what in (*HOST_WAITS, *STREAM_WAITS)}
    host, stream = sum(more[what] for what in HOST_WAITS), max(more[what] for what in STREAM_WAITS)
    if not host:
        return change.what in HOST_WAITS and stream <= 0
    return host < 0 and stream == -host and change.more <= stream


def _is_a_copy_or_two(change: WorkChange, small: int) -> bool:
    """Whether hardly more is copied than was; how large copies are that stay where they are, their bytes tell.

    small: how many more of those there are; a copy that is not among them goes elsewhere."""
    return change.more <= max(FEW_COPIES * change.before, small)


def _are_narrower(sizes: list[WorkChange], operators: list[WorkChange]) -> bool:
    """Whether as much is computed with fewer casts: in float32 before, and in bfloat16 now. What is not asked to move
    any more may have been cast on its way."""
    moved = sum(one.more for one in sizes if one.what == OTHERS_ASKED)
    fewer_casts = any(one.what.startswith(CASTS) and one.more < min(moved, 0) - SCALARS for one in sizes)
    return fewer_casts and sum(one.more for one in operators if one.what not in COPIES) >= 0


def _is_view(change: WorkChange) -> bool:
    return change.section == OPERATORS and change.what in VIEWS


def held_changes(expected: Work | None, actual: Work | None) -> tuple[WorkChange, ...]:
    """What is not the same and should be whatever the releases of the libraries are."""
    if expected is None or actual is None or not same_call(expected, actual):
        return ()
    before, after = ({one.phase: one for one in side.first} for side in (expected, actual))
    pairs = [(_held(expected, phase), _held(actual, phase), phase) for phase in PHASES]
    return tuple(
        WorkChange(phase, section, what, theirs[section, what], ours[section, what])
        for theirs, ours, phase in pairs
        for section, what in theirs
        if _is_far(section, theirs[section, what], ours[section, what])
        and _are_counted_alike(before.get(phase), after.get(phase))
    )


def total_flops(work: Work, phase: str | None = None) -> int:
    """Floating-point operations of the first call, in one phase or in all."""
    return sum(sum(one.flops.values()) for one in work.first if phase in (None, one.phase))


def total(work: Work, section: str, what: str, phase: str | None = None) -> int:
    """How often, or how many bytes, in one phase or in all."""
    return sum(getattr(one, section).get(what, 0) for one in work.first if phase in (None, one.phase))


def _held(work: Work, phase: str) -> dict[tuple[str, str], int]:
    held = {(section, what): total(work, section, what, phase) for section, what in HELD}
    return {(FLOPS, ""): total_flops(work, phase), **held}


def _is_far(section: str, before: int, after: int) -> bool:
    return abs(after - before) > max(NEAR * before, FEW if section == BYTES else 0)


def _of_section(phase: str, section: str, expected: PhaseWork | None, actual: PhaseWork | None) -> Iterator[WorkChange]:
    before: Mapping[str, int] = getattr(expected, section) if expected else {}
    after: Mapping[str, int] = getattr(actual, section) if actual else {}
    for what in sorted(before.keys() | after.keys()):
        if before.get(what, 0) != after.get(what, 0):
            yield WorkChange(phase, section, what, before.get(what, 0), after.get(what, 0))


def _rank(change: WorkChange) -> tuple[int, float]:
    """Repeats and modules say more than the operators that they are made of; what moved most comes first."""
    order = (REPEATS, COMPONENTS, MODULES, FLOPS, EVENTS, BYTES, MOVES, OPERATORS).index(change.section)
    return order, -abs(change.after - change.before) / max(change.before, 1)


def _doing(section: str, what: str, before: int, after: int) -> str:
    if section == FLOPS:
        now, then = distinct_flops(after, before)
        return f"does {now}{f' in {what}' if what else ''} instead of {then}"
    if section == BYTES:
        now, then = distinct(after, before)
        return f"{_moving(what, now)} instead of {then}"
    verb = {COMPONENTS: "calls", MODULES: "calls", OPERATORS: "calls", REPEATS: "repeats"}.get(section, "counts")
    if not before:
        return f"{verb} {what} {_times(after)}, which it did not"
    if not after:
        return f"no longer {verb} {what}, which it did {_times(before)}"
    return f"{verb} {what} {_times(after)} instead of {before}"


def _moving(what: str, size: str) -> str:
    """`casts 1.3 MB on the host`, of what is counted as `cast on host`."""
    where = what.replace("nowhere", "meta device")
    if what.endswith(ASKED):
        return f"asks to move {size} of {what.removesuffix(ASKED)}"
    if what == FILES_READ:
        return f"reads {size} of weight files"
    if what.startswith(CASTS):
        return f"casts {size} on the {where.removeprefix(CASTS)}"
    if what.startswith(WITHIN):
        return f"copies {size} within the {where.removeprefix(WITHIN)}"
    return f"moves {size} from {where}" if " to " in what else f"counts {size} {what}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def distinct_flops(one: int, other: int) -> tuple[str, str]:
    """Two numbers of operations, to the last one where rounding would make them look the same."""
    rounded = flops(one), flops(other)
    return rounded if rounded[0] != rounded[1] else (f"{one:,} FLOP", f"{other:,} FLOP")


def flops(number: float) -> str:
    """`16.5 GFLOP`."""
    for size, unit in ((1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"), (1e6, "MFLOP")):
        if number >= size:
            return f"{number / size:.4g} {unit}"
    return f"{number:.0f} FLOP"
