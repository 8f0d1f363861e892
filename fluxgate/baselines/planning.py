"""Planning what one act of accepting will write: everything is looked at before the first byte."""

from __future__ import annotations

import datetime
import fnmatch
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from fluxgate.amounts import amount
from fluxgate.baselines import baseline as baselines
from fluxgate.baselines import limits, objections
from fluxgate.baselines.baseline import Acceptance, AcceptedCase, AcceptedPicture, AcceptedShot, Baseline
from fluxgate.baselines.integrity import refuse_damaged_machine
from fluxgate.baselines.known_failures import EVERY, KnownFailure, expected
from fluxgate.baselines.limits import Band, LimitsFile, wider
from fluxgate.baselines.store import PORTABLE, Store, folder_of
from fluxgate.cases import Case
from fluxgate.compare import words
from fluxgate.compare.difference import Difference, compare
from fluxgate.compare.facts import WHOLE, Facts, facts_of
from fluxgate.compare.strips import columns, side_by_side
from fluxgate.files import read_plain
from fluxgate.pictures import Pixels, write_png
from fluxgate.refusal import Refusal
from fluxgate.rendering import PHASES, Picture, Rendering
from fluxgate.runs.pictures import sound_pixels
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run

MOST_SAMPLES = 50  # of a peak: enough for a spread, and a facts file stays readable
MOST_TOLD = 12  # objections in one refusal

Samples = tuple[int, ...]


@dataclass(frozen=True)
class Request:
    """What a person wants to accept, and why."""

    because: str
    by: str
    at: datetime.datetime
    only: str = EVERY  # a pattern for the ids of cases
    portable: bool = False  # into the pictures that any machine is compared with by likeness
    trim: bool = False  # let ceilings come down to what this run measured
    also: bool = False  # keep the pictures accepted so far beside the new ones
    dry_run: bool = False


@dataclass(frozen=True)
class Plan:
    """Everything that one act of accepting will write."""

    machine: str
    cases: tuple[AcceptedCase, ...] = ()
    pictures: dict[tuple[str, str], Callable[[], Pixels]] = field(default_factory=dict)  # by subject and file
    limits: tuple[LimitsFile, ...] = ()
    words: tuple[str, ...] = ()  # what changes, for a person to read first


@dataclass(frozen=True)
class _Act:
    """What all the steps of planning look at."""

    run: Run
    request: Request
    store: Path
    cases: Mapping[str, Case]
    known: tuple[KnownFailure, ...]

    @property
    def machine(self) -> str:
        return PORTABLE if self.request.portable else self.run.machine.id

    def old(self, rendering: Rendering) -> Baseline | None:
        return baselines.read_case(Store(self.store), self.machine, rendering.subject, rendering.strategy)

    def owner(self, rendering: Rendering) -> str:
        """The strategy that the pictures belong to: the end of the chain of what reproduces what."""
        name = rendering.strategy
        while (case := self.cases.get(f"{rendering.subject}-{name}")) and case.strategy.promise.reproduces:
            name = case.strategy.promise.reproduces
        return name


def prepare(
    run: Run, request: Request, *, store: Path, cases: Mapping[str, Case], known: tuple[KnownFailure, ...] = ()
) -> Plan:
    """The plan for a run, or a refusal that lists what stands in its way."""
    act = _Act(run, request, store, cases, known)
    _refuse_limited(run)
    refuse_damaged_machine(store, act.machine)
    renderings, left_out = _chosen(act)
    calibrated = tuple(_calibrated(act))
    limit_words = [word for file in calibrated for word in _limit_words(file, act)]
    if not renderings and not calibrated:
        raise Refusal(f"Nothing in {run.folder} can be accepted with --only {request.only!r}.")
    _refuse_objections([sentence for rendering in renderings for sentence in _objections(rendering, act)])
    plan = Plan(act.machine, limits=calibrated, words=(*left_out, *limit_words))
    for rendering in renderings:
        plan = _with(plan, rendering, act)
    return plan


def _refuse_limited(run: Run) -> None:
    """What was rendered under a limit of memory is no measure of this machine.

    Near the limit torch gives its cache back and cuDNN takes ways that need less room: peaks and seconds, sometimes
    pixels too, are those of a smaller card, and later runs without a limit would be held to them."""
    if run.vram_limit is not None:
        said = f"{run.folder} was rendered under --vram-limit {amount(run.vram_limit)}"
        raise Refusal(f"{said}: its peaks and seconds are those of a smaller card; accept a run without it.")


def _chosen(act: _Act) -> tuple[list[Rendering], list[str]]:
    """The renderings asked for, without those whose crash is a known failure."""
    if not act.run.finished and act.request.only == EVERY:
        raise Refusal(f"{act.run.folder} is not finished: name those of its cases that are to be accepted, by --only.")
    chosen, left_out = [], []
    for name, rendering in sorted(act.run.renderings().items()):
        if not _asked_for(rendering.subject, rendering.strategy, act):
            continue
        if rendering.crash is not None and _excused(rendering, act):
            left_out.append(f"{name}: left out, its crash is a known failure")
        else:
            chosen.append(rendering)
    return chosen, left_out


def _excused(rendering: Rendering, act: _Act) -> bool:
    cell = (rendering.subject, rendering.strategy, EVERY)
    return expected(act.known, cell, device=rendering.device, stack=act.run.stack) is not None


def _refuse_objections(sentences: list[str]) -> None:
    if not sentences:
        return
    told = "\n".join(f"  {sentence}" for sentence in sentences[:MOST_TOLD])
    more = f"\n  and {len(sentences) - MOST_TOLD} more" if len(sentences) > MOST_TOLD else ""
    raise Refusal(f"Nothing was accepted, because:\n{told}{more}")


def _objections(rendering: Rendering, act: _Act) -> Iterator[str]:
    found = list(objections.to_rendering(rendering, act.cases.get(rendering.case_id)))
    yield from found
    owner = act.owner(rendering)
    if not found and owner != rendering.strategy:
        yield from objections.to_promise(rendering, _hashes(rendering.subject, owner, act), named=owner)


def _hashes(subject: str, strategy: str, act: _Act) -> dict[tuple[str, int], str]:
    """The pictures of a strategy in this run, else as accepted."""
    there = act.run.renderings().get(f"{subject}-{strategy}")
    if there is not None:
        return {key: picture.sha256 for key, picture in there.pictures_of().items()}
    accepted = baselines.read_case(Store(act.store), act.machine, subject, strategy)
    shots = accepted.case.shots if accepted else ()
    return {(shot.shot, shot.index): shot.pictures[-1].sha256 for shot in shots}


def _with(plan: Plan, rendering: Rendering, act: _Act) -> Plan:
    """The plan with one more case in it."""
    baseline, owner = act.old(rendering), act.owner(rendering)
    old = baseline.case if baseline else None
    peaks, memory_words = _peaks(old, rendering, trim=act.request.trim)
    new = AcceptedCase(
        subject=rendering.subject,
        strategy=rendering.strategy,
        machine=act.machine,
        recipes=rendering.recipes,
        shots=tuple(_shot(key, picture, owner, old, act.request) for key, picture in rendering.pictures_of().items()),
        fingerprints=tuple(print_ for print_ in rendering.fingerprints if print_.take == 0),
        inventory=rendering.inventory,
        peaks=peaks,
        held_after=_joined(old.held_after if old else (), rendering.memory.held_after if rendering.memory else None),
        seconds=_seconds(old, rendering),
        levels=rendering.levels(),
        draws=rendering.draws,
        accepted=_acceptance(act),
    )
    changes = [*_changes(baseline, rendering, owner, act), *memory_words]
    told = [
        f"{new.subject}-{new.strategy}: {line}" for line in changes or ["is new" if old is None else "stays as it is"]
    ]
    return replace(
        plan,
        cases=(*plan.cases, new),
        pictures={**plan.pictures, **_missing_pictures(new, rendering, act)},
        words=(*plan.words, *told),
    )


def _acceptance(act: _Act) -> Acceptance:
    request = act.request
    at = request.at.astimezone(datetime.UTC).isoformat(timespec="seconds")
    return Acceptance(request.by, at, request.because, act.run.folder.name, act.run.commit, act.run.stack)


def _shot(
    key: tuple[str, int], picture: Picture, owner: str, old: AcceptedCase | None, request: Request
) -> AcceptedShot:
    """What will be accepted for one picture: the new one, or what is accepted already if that holds it."""
    before = old.shot_of(*key) if old else None
    if before and before.holds(picture.sha256):
        return before
    new = AcceptedPicture(picture.sha256, f"{owner}-{key[0]}-{key[1]}-{picture.sha256[:12]}.png", request.because)
    return AcceptedShot(*key, (*before.pictures, new) if before and request.also else (new,))


def _missing_pictures(
    new: AcceptedCase, rendering: Rendering, act: _Act
) -> dict[tuple[str, str], Callable[[], Pixels]]:
    """The pictures that the store does not have yet, each to be read again when it is written."""
    folder, found = act.run.case_folder(rendering.case_id), {}
    for key, picture in rendering.pictures_of().items():
        shot = new.shot_of(*key)
        for accepted in shot.pictures if shot else ():
            path = folder_of(act.store, act.machine, new.subject) / "pictures" / accepted.file
            if accepted.sha256 == picture.sha256 and not path.exists():
                found[new.subject, accepted.file] = _reader(picture, folder)
    return found


def _reader(picture: Picture, folder: Path) -> Callable[[], Pixels]:
    return lambda: sound_pixels(picture, folder)


def _changes(baseline: Baseline | None, rendering: Rendering, owner: str, act: _Act) -> Iterator[str]:
    """What differs from what is accepted so far; draws each shot in which a picture does."""
    actual = facts_of(Rendered(rendering, act.run.case_folder(rendering.case_id)), stack=act.run.stack)
    difference = compare(baselines.accepted_facts(baseline) if baseline else Facts(), actual)
    pictures = replace(difference, inventory=(), stages=(), stack=()) if baseline is None else difference
    yield from words.lines(pictures)
    if owner == rendering.strategy:
        yield from _drawn(difference, rendering, act)


def _drawn(difference: Difference, rendering: Rendering, act: _Act) -> Iterator[str]:
    """Each shot of which a picture changes, drawn old beside new."""
    for name in rendering.recipes:
        pairs = [pair for pair in difference.pictures if pair.shot == name]
        if any(not pair.identical for pair in pairs):
            rows = [
                columns(pair.expected.read() if pair.expected else None, pair.actual.read(), titles=("old", "new"))
                for pair in pairs
            ]
            file = act.run.folder / "pictures" / f"accept-{rendering.case_id}-{name}.png"
            write_png(file, side_by_side(rows))
            yield f"old, new and difference of shot {name!r}: {file}"


def _peaks(
    old: AcceptedCase | None, rendering: Rendering, *, trim: bool
) -> tuple[dict[str, dict[str, Samples]], list[str]]:
    """The samples of every peak with this run's among them, and in words where a ceiling moves."""
    found: dict[str, dict[str, Samples]] = {}
    words = []
    for phase, figure, value in _measured(rendering):
        before = old.peaks.get(phase, {}).get(figure, ()) if old else ()
        samples, word = _settled(before, value, figure=figure, trim=trim)
        found.setdefault(phase, {})[figure] = samples
        if word:
            words.append(f"{figure} peak of {phase} {word}")
    return found, words


def _measured(rendering: Rendering) -> Iterator[tuple[str, str, int]]:
    """Phase, figure and bytes of every peak that could be measured."""
    memory = rendering.memory
    if memory is None:
        return
    for entry in memory.phases:
        for figure in ("allocated", "reserved", "driver", "host"):
            value = getattr(entry, figure)
            if value is not None:
                yield entry.phase, figure, value
    whole = {figure: memory.peak(figure) for figure in ("allocated", "reserved", "driver")} | {"host": memory.host_peak}
    yield from ((WHOLE, figure, value) for figure, value in whole.items() if value is not None)


def _settled(before: Samples, value: int, *, figure: str, trim: bool) -> tuple[Samples, str | None]:
    """One more sample; a value above what the samples allow starts anew, one far below does so only when trimming."""
    if not before:
        return (value,), None
    margin = limits.margin(before, figure=figure)
    mean = statistics.fmean(before)
    if value > mean + margin:
        return (value,), f"rises by {amount(value - mean)} to {amount(value)}"
    if value < mean - margin and trim:
        return (value,), f"is trimmed by {amount(mean - value)} to {amount(value)}"
    if value < mean - margin:
        fell = f"fell by {amount(mean - value)} to {amount(value)}"
        return before, f"{fell}; its ceiling has become too loose, accept with --trim to tighten it"
    return _joined(before, value), None


def _joined(before: Samples, value: int | None) -> Samples:
    return before if value is None else (*before, value)[-MOST_SAMPLES:]


def _seconds(old: AcceptedCase | None, rendering: Rendering) -> dict[str, tuple[float, ...]]:
    spent = {phase: rendering.seconds(phase) for phase in PHASES}
    before = old.seconds if old else {}
    return {
        phase: (*before.get(phase, ()), seconds)[-MOST_SAMPLES:]
        for phase, seconds in spent.items()
        if seconds is not None
    }


def _calibrated(act: _Act) -> Iterator[LimitsFile]:
    """The limits that a calibrating run found, joined to those that stand."""
    for path in sorted((act.run.folder / "limits").glob("*.json")):
        new = read_plain(path, LimitsFile)
        if path.stem != new.subject or new.schema != limits.SCHEMA:
            raise Refusal(f"{path} is damaged: it is of {new.subject[:120]!r}, schema {new.schema}.")
        standing = next(limits.read_limits(Store(act.store), act.machine, new.subject), None)
        old = standing or replace(new, strategies={}, drift={})
        named = {name: found for name, found in new.strategies.items() if _asked_for(new.subject, name, act)}
        drift = {name: _joined_drift(old, new, name, act) for name in new.drift if _asked_for(new.subject, name, act)}
        if named or drift:
            joined = {**old.strategies, **named}
            yield replace(new, machine=act.machine, strategies=joined, drift={**old.drift, **drift})


def _asked_for(subject: str, strategy: str, act: _Act) -> bool:
    return fnmatch.fnmatchcase(f"{subject}-{strategy}", act.request.only)


def _joined_drift(old: LimitsFile, new: LimitsFile, strategy: str, act: _Act) -> dict[str, Band]:
    """Bands that hold every legal change seen so far; only the new ones when trimming."""
    before = {} if act.request.trim else old.drift.get(strategy, {})
    return {measure: wider(before.get(measure, band), band) for measure, band in new.drift[strategy].items()}


def _limit_words(new: LimitsFile, act: _Act) -> Iterator[str]:
    """Each limit that moves, with what it was."""
    old = next(limits.read_limits(Store(act.store), act.machine, new.subject), None)
    for name, bands in _all_bands(new).items():
        before = _all_bands(old).get(name, {}) if old else {}
        for measure, band in bands.items():
            told, was = _edges(band), _edges(before.get(measure))
            if told != was:
                yield f"{name}: {measure} {told}" + (f", was {was}" if was else "")


def _all_bands(file: LimitsFile) -> dict[str, dict[str, Band]]:
    """Every band of a file, by what it is about."""
    found = {f"{file.subject}-{name}, drift": bands for name, bands in file.drift.items()}
    for name, likenesses in file.strategies.items():
        found[f"{file.subject}-{name}"] = likenesses.likeness
        found[f"{file.subject}-{name}, mean of the case"] = likenesses.overall
    return found


def _edges(band: Band | None) -> str:
    if band is None:
        return ""
    edges = (("at least", band.floor), ("at most", band.ceiling))
    return " and ".join(f"{words} {limit.value:.4f}" for words, limit in edges if limit)
