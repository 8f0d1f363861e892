"""Which of the packages that moved is to blame: environments between the two stacks, rendered as far as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fluxgate.gate.culprit.find import find
from fluxgate.gate.culprit.finding import Finding
from fluxgate.gate.culprit.journal import Journal
from fluxgate.gate.culprit.moves import Group, by_suspicion, groups_of
from fluxgate.gate.culprit.outcomes import FAILED, GOOD, Result, trial
from fluxgate.gate.environments.consistency import couplings
from fluxgate.gate.environments.installers import Installer
from fluxgate.gate.environments.interpreters import ask
from fluxgate.gate.environments.pins import Moves
from fluxgate.gate.gate import Gated
from fluxgate.gate.probing import Evidence, Probing
from fluxgate.gate.settings import JOURNAL, STACKS, Settings
from fluxgate.gate.sides import measuring, times_anew
from fluxgate.gate.stacks import Stacks
from fluxgate.gate.suspects import suspects
from fluxgate.judge.sentences import listed
from fluxgate.locks import Say, silent
from fluxgate.strategies.available import strategies


def blame(
    gated: Gated, made: Stacks, settings: Settings, *, installer: Installer, report: Say = silent
) -> Finding[Evidence]:
    """Find the culprit of an upgrade that is not safe; what was tried before is not tried again.

    Of cases that went bad in the same way one is rendered in each environment, and all in the counter-proof."""
    bad = [outcome for outcome in gated.outcomes if outcome.is_bad]
    blaming = _Blaming(gated, made, settings, installer=installer, report=report)
    few = list({(outcome.outcome, outcome.stage): outcome.case_id for outcome in reversed(bad)}.values())
    every = [outcome.case_id for outcome in bad]
    finding = blaming.finding(few[::-1])
    if len(few) == len(every) or not finding.held_back or blaming.is_good_without(finding.held_back, every):
        return finding
    return blaming.finding(every)


@dataclass(frozen=True)
class _Blaming:
    gated: Gated
    made: Stacks
    settings: Settings
    installer: Installer
    report: Say

    def finding(self, cases: Sequence[str]) -> Finding[Evidence]:
        """The culprit, judged by these cases."""
        return find(
            self.groups(),
            probe=self.probing(cases),
            results=journal(self.made, self.gated, self.settings, cases=cases),
            report=lambda announcement: self.report(announcement.sentence),
            explains=lambda one, other: set(one) >= set(other),
        )

    def groups(self) -> tuple[Group, ...]:
        """What moves, most suspected first, in groups that can move alone."""
        bad = [outcome for outcome in self.gated.outcomes if outcome.is_bad]
        together = couplings(ask(self.made.incumbent.python), ask(self.made.candidate.python))
        said = " ".join((self.gated.decision.sentence, *(outcome.reason for outcome in bad)))
        first = suspects(self.made.moves, self.gated.outcomes, said=said, strategies=strategies())
        return by_suspicion(groups_of(self.made.moves, closure=together.get), suspects=first)

    def probing(self, cases: Sequence[str]) -> Probing:
        return Probing(self.made.incumbent, self.settings, cases, installer=self.installer, report=self.report)

    def is_good_without(self, held_back: Moves, cases: Sequence[str]) -> bool:
        """Whether all of these cases are good in the candidate without these moves."""
        rest = trial(move for move in self.made.moves if move not in held_back)
        if not rest.moves:  # the incumbent itself
            return True
        self.report(f"To confirm: all {len(cases)} cases in the candidate without {listed(map(str, held_back))}.")
        return self.probing(cases)(rest).outcome is GOOD


def journal(
    made: Stacks, gated: Gated, settings: Settings, *, cases: Sequence[str], among: object = None
) -> Journal[Evidence]:
    """What was tried before, but for what could not be made: that may have been the day's fault.

    A stack is more than its versions: a wheel may be another one under the same name, and a checkout is edited.
    among: what is searched, if it is not what moves between the two stacks."""
    built = (made.incumbent, made.candidate)
    about = {
        "stacks": [(one.folder.name, times_anew(one, settings)) for one in built],
        "among": among,
        "machine": gated.machine.id,
        "cases": cases,
        "measured by": measuring(),
    }
    kept = Journal(settings.runs / STACKS / JOURNAL, about=about, kind=Result[Evidence])
    kept.forget(FAILED)
    return kept
