"""What accepting a run changes: each case, each subject's limits, and all of it in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from fluxgate.baselines.baseline import Acceptance, AcceptedCase, AcceptedPicture, AcceptedShot, Baseline
from fluxgate.baselines.limit_changes import LimitsChange
from fluxgate.baselines.picture_changes import PictureChange
from fluxgate.baselines.samples import Samples
from fluxgate.baselines.store import PORTABLE
from fluxgate.compare.facts import Key
from fluxgate.rendering import Picture, Work
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run

MOST_NAMED = 3  # cases before a line
SHOTS_KEPT, LARGEST_KEPT = 2, 250_000  # of a case that only approximates: shots, and bytes of each picture


@dataclass(frozen=True)
class CaseChange:
    """A rendering that is to be accepted, and what of the accepted case it changes."""

    rendered: Rendered
    machine: str  # an id, or "portable"
    owner: str  # the strategy that its pictures belong to
    is_reference: bool  # its pictures are those that all others are compared with
    before: Baseline | None
    samples: Samples
    step_paces: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # as they are to be accepted
    phase_seconds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # likewise
    keep_pictures: bool = False
    note: str = ""  # what a person wrote about this case alone
    pictures: tuple[PictureChange, ...] = ()  # those that are not among the accepted ones
    lines: tuple[str, ...] = ()  # what changes, in words
    notes: tuple[str, ...] = ()  # what a person should know although it changes nothing

    @property
    def subject(self) -> str:
        return self.rendered.rendering.subject

    @property
    def strategy(self) -> str:
        return self.rendered.rendering.strategy

    @property
    def case_id(self) -> str:
        return self.rendered.rendering.case_id

    @property
    def changed(self) -> bool:
        """Whether anything but who accepted it, when and why would be written."""
        if self.before is None:
            return True
        accepted = self.before.case
        return self.facts(accepted.accepted) != replace(accepted, warnings=accepted.warnings or ())

    def noted(self, acceptance: Acceptance) -> Acceptance:
        """The acceptance with this case's note in its reason."""
        return replace(acceptance, because=": ".join(filter(None, (acceptance.because, self.note))))

    def facts(self, acceptance: Acceptance) -> AcceptedCase:
        """The facts as somebody accepts them."""
        rendering = self.rendered.rendering
        return AcceptedCase(
            subject=self.subject,
            strategy=self.strategy,
            machine=self.machine,
            recipes=rendering.recipes,
            shots=tuple(
                self._shot(key, picture, acceptance.because) for key, picture in rendering.pictures_of().items()
            ),
            fingerprints=tuple(entry for entry in rendering.fingerprints if entry.take == 0),
            inventory=rendering.inventory,
            peaks={phase: dict(figures) for phase, figures in self.samples.peaks.items()},
            held_after=self.samples.held_after,
            seconds=dict(self.samples.seconds),
            levels=rendering.levels(),
            draws=rendering.draws,
            work=self._work(),
            step_paces=dict(self.step_paces),
            phase_seconds=dict(self.phase_seconds),
            warnings=rendering.warnings,
            accepted=acceptance,
        )

    def _work(self) -> Work | None:
        """What one call did, without the seconds that counting took; a run that did not count changes nothing."""
        work = self.rendered.rendering.work
        if work is None or not work.calls:
            return self.before.case.work if self.before else None
        return replace(work, calls=work.calls[:1], count=1, seconds=0.0)

    @cached_property
    def kept(self) -> frozenset[Key]:
        """The pictures that are kept, not only their hashes: all of what is compared with on other machines or is a
        reference; of any other case the smallest ones of two shots, which show a difference for the fewest bytes, and
        of large ones a single one."""
        pictures = self.rendered.rendering.pictures_of()
        if self.machine == PORTABLE or self.is_reference:
            return frozenset(pictures)
        sizes = {key: (self.rendered.folder / one.file).stat().st_size for key, one in pictures.items()}
        smallest: dict[str, Key] = {}
        for key in sorted(sizes, key=lambda one: (sizes[one], one)):
            smallest.setdefault(key[0], key)
        chosen = list(smallest.values())[:SHOTS_KEPT]
        return frozenset([key for key in chosen if sizes[key] <= LARGEST_KEPT] or chosen[:1])

    def file_of(self, shot: str, index: int, sha256: str) -> str:
        """What a new picture is called among the accepted ones."""
        return f"{self.owner}-{shot}-{index}-{sha256[:12]}.png"

    def _shot(self, key: tuple[str, int], picture: Picture, because: str) -> AcceptedShot:
        before = self._before(key)
        if before is not None and before.holds(picture.sha256):
            return before
        new = AcceptedPicture(picture.sha256, self.file_of(*key, picture.sha256), because, key in self.kept)
        kept = before.pictures if before is not None and self.keep_pictures else ()
        return AcceptedShot(*key, (*kept, new))

    def _before(self, key: tuple[str, int]) -> AcceptedShot | None:
        return self.before.case.shot_of(*key) if self.before else None


@dataclass(frozen=True)
class Plan:
    """Everything that accepting a run would write."""

    run: Run
    root: Path  # one's own folder of baselines
    machine: str
    cases: tuple[CaseChange, ...] = ()
    limits: tuple[LimitsChange, ...] = ()
    left_out: tuple[str, ...] = ()  # the cases whose crash is a known failure
    manifests: Mapping[str, bytes] = field(default_factory=dict)  # what it was made from: see manifests_of

    @property
    def changed_cases(self) -> tuple[CaseChange, ...]:
        return tuple(case for case in self.cases if case.changed)

    @property
    def changed_limits(self) -> tuple[LimitsChange, ...]:
        return tuple(change for change in self.limits if change.lines)

    @property
    def changes_anything(self) -> bool:
        return bool(self.changed_limits or self.changed_cases)

    @property
    def explained(self) -> bool:
        """Whether a note says of each change why it is right."""
        return not self.changed_limits and all(case.note for case in self.changed_cases)

    def lines(self) -> Iterator[str]:
        """What a person should read before they accept it."""
        yield from (f"{name}: left out, its crash is a known failure" for name in self.left_out)
        for change in self.limits:
            yield from change.lines or [f"{change.file.subject}: its limits stay as they are"]
        cases: dict[str, list[str]] = {}
        for case in self.cases:
            for line in (*case.lines, *case.notes, *([] if case.changed else ["unchanged"])):
                cases.setdefault(line, []).append(case.case_id)
        yield from (f"{_named(names)}: {line}" for line, names in cases.items())


def _named(names: list[str]) -> str:
    few = ", ".join(names[:MOST_NAMED])
    return f"{few} and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else few
