"""At which release each package to blame turned bad: the releases between its two versions, bisected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fluxgate.gate.blaming import journal
from fluxgate.gate.culprit.bisection import Range, bisect_releases
from fluxgate.gate.culprit.finding import Culprit, Finding
from fluxgate.gate.culprit.outcomes import BAD, FAILED, Probe, Result, Trial
from fluxgate.gate.culprit.releases import Release, between
from fluxgate.gate.environments.installers import Installer, Objection
from fluxgate.gate.environments.pins import Moves, parse_changes
from fluxgate.gate.environments.resolving import resolve
from fluxgate.gate.environments.stages import StageFailure
from fluxgate.gate.gate import Gated
from fluxgate.gate.probing import Evidence, Probing
from fluxgate.gate.settings import Report, Settings
from fluxgate.gate.stacks import Stacks
from fluxgate.locks import silent
from fluxgate.refusal import Refusal
from fluxgate.report.gate_result import Move


def bisected(
    finding: Finding[Evidence],
    gated: Gated,
    made: Stacks,
    settings: Settings,
    *,
    installer: Installer,
    report: Report = silent,
) -> tuple[Range[Evidence], ...]:
    """Where each package to blame turned bad, on the way from the incumbent's version to the candidate's."""
    bisecting = _Bisecting(gated, made, settings, installer=installer, report=report)
    return tuple(bisecting.range(culprit, move) for culprit in finding.culprits for move in _first_moves(culprit))


def _first_moves(culprit: Culprit[Evidence]) -> Iterator[Move]:
    """Of each group, the most suspected package; one that is new or gone has no releases on its way."""
    yield from (group[0] for group in culprit.groups if group[0].old is not None and group[0].new is not None)


@dataclass(frozen=True)
class _Bisecting:
    gated: Gated
    made: Stacks
    settings: Settings
    installer: Installer
    report: Report

    def range(self, culprit: Culprit[Evidence], move: Move) -> Range[Evidence]:
        """Where one of the culprit's packages turned bad, with all else of the culprit's moved."""
        others = [group for group in culprit.groups if move not in group]
        along = (*culprit.along, *(other for group in others for other in group))
        releases = self._releases(move)
        self.report(f"Bisecting {move}: {len(releases)} releases lie between.")
        evidence = culprit.evidence or ()
        cases = [one.case_id for one in evidence if one.case_id is not None][:1]
        return bisect_releases(
            move,
            releases=releases,
            probe=same_fault(self._probing(cases), evidence),
            results=journal(self.gated, self.settings, cases=cases, candidate=[move, along, "releases"]),
            report=lambda announcement: self.report(announcement.sentence),
            along=along,
        )

    def _releases(self, move: Move) -> tuple[Release, ...]:
        listed = self.installer.releases(self.made.incumbent.python, move.package)
        if isinstance(listed, Objection):
            raise Refusal(f"The releases of {move.package} cannot be listed: {listed.sentence}")
        return between((Release(one.version, one.yanked) for one in listed), move=move)

    def _probing(self, cases: list[str]) -> Probing:
        return Probing(
            self.made.incumbent,
            self.settings,
            cases,
            installer=self.installer,
            report=self.report,
            completed=self._completed,
        )

    def _completed(self, moves: Moves) -> Moves | StageFailure:
        """The moves with all that they need: a release between may need what neither end has."""
        changes = [f"{move.package}=={move.new}" for move in moves if move.new is not None]
        if not changes:
            return moves
        found = resolve(self.made.incumbent, parse_changes(changes), installer=self.installer, report=self.report)
        gone = tuple(move for move in moves if move.new is None)
        return found if isinstance(found, StageFailure) else (*found, *gone)


def same_fault(probe: Probe[Evidence], evidence: Evidence) -> Probe[Evidence]:
    """Takes for bad only what fails as the candidate does: a release with another fault says nothing about this one."""

    def probed(trial: Trial) -> Result[Evidence]:
        result = probe(trial)
        if result.outcome is not BAD or not result.evidence or set(result.evidence) & set(evidence):
            return result
        one = result.evidence[0]
        return replace(result, outcome=FAILED, why=f"it fails otherwise: {one.reason or one.outcome}")

    return probed
