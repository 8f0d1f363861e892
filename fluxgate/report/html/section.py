"""The section of a page that is about one case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from fluxgate.cases import Case
from fluxgate.judge.sentences import counted, listed
from fluxgate.judge.verdict import Verdict
from fluxgate.report.html import case as facts
from fluxgate.report.html.album import Comparison
from fluxgate.report.html.charts import Step, timeline
from fluxgate.report.html.matrix import Line
from fluxgate.report.html.pairs import PagePair
from fluxgate.report.html.sides import HeldAgainst
from fluxgate.report.html.steps import StepTable
from fluxgate.report.html.work import WorkRow, work_rows
from fluxgate.runs.rendered import Rendered
from fluxgate.subjects.subject import Shot


@dataclass(frozen=True)
class Section:
    """Everything that is shown of a case."""

    line: Line
    about: str
    reference: str | None  # whose pictures are expected: a strategy, or the incumbent
    asked: Mapping[str, Shot]
    command: str
    answers: tuple[facts.Answer, ...]
    comparisons: tuple[Comparison, ...]
    shots: tuple[str, ...] = ()
    stages: tuple[facts.StageRow, ...] = ()
    left: tuple[tuple[str, str], ...] = ()
    steps: StepTable | None = None
    traits: tuple[facts.Trait, ...] = ()
    figures: tuple[str, ...] = ()
    phases: tuple[facts.PhaseRow, ...] = ()
    work: tuple[WorkRow, ...] = ()
    timeline: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    crash: tuple[str, ...] = ()

    @property
    def differing(self) -> tuple[Comparison, ...]:
        """The pictures that are not what they are held against, or cannot be looked at."""
        return tuple(one for one in self.comparisons if one.apart or one.trouble)

    @property
    def alone(self) -> tuple[Comparison, ...]:
        """The pictures that are held against nothing."""
        return tuple(one for one in self.comparisons if one.pair.expected is None and not one.trouble)

    def prompt(self, pair: PagePair) -> str:
        """What a picture was asked with; nothing where the run does not say."""
        shot = self.asked.get(pair.shot)
        return shot.prompt_of(pair.index) if shot and pair.index < shot.pictures else ""

    @property
    def identical_title(self) -> str:
        return f"{counted(len(self.identical), 'picture')} identical to the pixel"

    @property
    def alone_title(self) -> str:
        return f"{counted(len(self.alone), 'picture')} with nothing in this run to compare with"

    @property
    def stages_title(self) -> str:
        """Where its shots left the reference, as far as that is known."""
        if self.left:
            return f"Stage by stage: {listed(self._leaving())}"
        whole = all(word == facts.SAME for row in self.stages for word, _ in row.cells)
        return f"Stage by stage: the same as {self.reference}" if whole else "Stage by stage"

    def _leaving(self) -> Iterator[str]:
        """The shots that left at each stage; where it is all of them, as many as they are."""
        for stage in dict.fromkeys(stage for _, stage in self.left):
            shots = [shot for shot, its in self.left if its == stage]
            every = len(shots) == len(self.shots) > 2
            yield f"{f'all {len(shots)} shots' if every else listed(shots)} first differ at the {stage}"

    @property
    def identical(self) -> tuple[Comparison, ...]:
        return tuple(one for one in self.comparisons if one.identical)


# Long because it has a line for each field of a section.
def section_of(
    line: Line,
    case: Case | None,
    verdicts: Iterable[Verdict],
    comparisons: tuple[Comparison, ...],
    *,
    ours: Rendered | None,
    held_against: HeldAgainst | None,
) -> Section:
    """The section of a case; one that was not rendered has its answers alone."""
    row, reference = line.row, held_against.rendered.rendering if held_against else None
    crash = ours.rendering.crash.last_lines if ours and ours.rendering.crash else ()
    section = Section(
        line=line,
        about=case.strategy.about if case else "",
        reference=held_against.name if held_against else None,
        asked={shot.name: shot for shot in case.subject.shots} if case else {},
        command=facts.command(row.case_id, case),
        answers=facts.answers(verdicts, last_lines=crash),
        comparisons=comparisons,
    )
    if ours is None:
        return section
    rendering, shots = ours.rendering, tuple(ours.rendering.recipes)
    stages = facts.stages(rendering, reference)
    return replace(
        section,
        shots=shots,
        stages=stages,
        left=facts.left_at(stages, shots),
        traits=facts.traits(rendering.inventory, reference.inventory if reference else None),
        figures=facts.figures_of(rendering.memory),
        phases=facts.phases(rendering, reference),
        work=work_rows(rendering, reference),
        timeline=timeline(rendering, row.figure),
        warnings=rendering.warnings,
        log=facts.log_tail(ours.folder),
        crash=crash,
    )
