"""At which release, and which commit, each package to blame turned bad: what lies between is bisected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from fluxgate.gate.blaming import journal
from fluxgate.gate.culprit.bisection import Range, bisect_releases
from fluxgate.gate.culprit.finding import Culprit, Finding
from fluxgate.gate.culprit.outcomes import BAD, FAILED, Probe, Result, Trial
from fluxgate.gate.culprit.releases import Release, between
from fluxgate.gate.environments.building import Built, build
from fluxgate.gate.environments.commits import Checkout, Commits, commits_between, wheel_of
from fluxgate.gate.environments.installers import Installer, Objection
from fluxgate.gate.environments.labels import version_of
from fluxgate.gate.environments.pins import Moves, parse_changes
from fluxgate.gate.environments.resolving import resolve
from fluxgate.gate.environments.stages import StageFailure
from fluxgate.gate.gate import Gated
from fluxgate.gate.probing import Evidence, Probing
from fluxgate.gate.settings import Settings
from fluxgate.gate.sides import imports_of
from fluxgate.gate.stacks import Stacks, build_with
from fluxgate.judge.sentences import counted
from fluxgate.locks import Say, silent
from fluxgate.refusal import Refusal
from fluxgate.report.gate_result import Move


def bisected(
    finding: Finding[Evidence],
    gated: Gated,
    made: Stacks,
    settings: Settings,
    *,
    installer: Installer,
    report: Say = silent,
) -> tuple[Range[Evidence], ...]:
    """Where each package to blame turned bad, on the way from the incumbent's version to the candidate's."""
    bisecting = _Bisecting(gated, made, settings, installer=installer, report=report)
    blamed = [move.package for culprit in finding.culprits for move in _first_moves(culprit)]
    for checkout in settings.checkouts:
        if checkout.package not in blamed:
            report(f"{checkout.package} is not to blame: the commits of {checkout.path} are not bisected.")
    return tuple(
        turn
        for culprit in finding.culprits
        for move in _first_moves(culprit)
        for turn in bisecting.ranges(culprit, move)
    )


def _first_moves(culprit: Culprit[Evidence]) -> Iterator[Move]:
    """Of each group, the most suspected package; one that is new or gone has no releases on its way."""
    yield from (group[0] for group in culprit.groups if group[0].old is not None and group[0].new is not None)


@dataclass(frozen=True)
class _Bisecting:
    gated: Gated
    stacks: Stacks
    settings: Settings
    installer: Installer
    report: Say

    def ranges(self, culprit: Culprit[Evidence], move: Move) -> Iterator[Range[Evidence]]:
        """Where one of the culprit's packages turned bad, with all else of the culprit's moved: first among its
        releases, and then among the commits between two of these, if the user has named a checkout."""
        others = [group for group in culprit.groups if move not in group]
        along = (*culprit.along, *(other for group in others for other in group))
        search = _Search(self, move, along, culprit.evidence or ())
        releases = self._releases(move)
        self.report(f"Bisecting {move}: {counted(len(releases), 'release')} between.")
        turn = search.bisected(releases, self.made, "releases")
        yield turn
        checkout = next((one for one in self.settings.checkouts if one.package == move.package), None)
        if checkout is not None and turn.good is not None and turn.bad is not None:
            yield self._among_commits(search, checkout, turn.good, turn.bad)

    def _among_commits(self, search: _Search, checkout: Checkout, good: str, bad: str) -> Range[Evidence]:
        """Where it turned bad between two releases. All else is as the bad one needs it."""
        move = search.move
        try:
            commits = commits_between(checkout, good, bad)
        except Refusal as refusal:  # what was found among the releases is told all the same
            return Range(move.package, None, None, unresolved=(str(refusal),))
        last = replace(move, new=bad)
        before = (Release(good),) if good != move.old else ()
        self.report(f"Bisecting {last} in {checkout.path}: {counted(len(commits.titles), 'commit')} between.")
        base = self.unchecked((*search.along, last))
        if isinstance(base, StageFailure):
            return Range(move.package, None, None, unresolved=(base.sentence,))
        made = _OfCommits(self, checkout, commits, base)
        inner = (*before, *map(Release, commits.titles))
        turn = replace(search, move=last).bisected(inner, made, f"commits of {checkout.path.resolve()}")
        fork = f"It is where the branch of {good} begins, and what came before it was not looked at."
        unresolved = (fork,) if turn.bad is not None and turn.bad == commits.fork else ()
        return replace(turn, commits=commits.titles, unresolved=(*turn.unresolved, *unresolved))

    def _releases(self, move: Move) -> tuple[Release, ...]:
        listed = self.installer.releases(self.stacks.incumbent.python, move.package)
        if isinstance(listed, Objection):
            raise Refusal(f"The releases of {move.package} cannot be listed: {listed.sentence}")
        return between((Release(one.version, one.yanked) for one in listed), move=move)

    def made(self, moves: Moves) -> Built | StageFailure:
        """The incumbent with these moves and all that they need, seen to import its libraries."""
        completed = self._completed(moves)
        if isinstance(completed, StageFailure):
            return completed
        return self.built(completed, self.stacks.incumbent, self.installer)

    def built(self, moves: Moves, base: Built, installer: Installer) -> Built | StageFailure:
        """An environment with these moves, seen to import its libraries."""
        return build_with(moves, base, installer=installer, imports=imports_of(self.settings), report=self.report)

    def unchecked(self, moves: Moves) -> Built | StageFailure:
        """The same, whether or not it can be imported: something is going to be exchanged in it."""
        completed = self._completed(moves)
        if isinstance(completed, StageFailure):
            return completed
        incumbent = self.stacks.incumbent
        pins = incumbent.pins.moved(completed)
        return build(pins, installer=self.installer, base=incumbent, report=self.report)

    def _completed(self, moves: Moves) -> Moves | StageFailure:
        """What the resolver moves with them: a release between may need what neither end has."""
        changes = [f"{move.package}=={move.new}" for move in moves if move.new is not None]
        if not changes:
            return moves
        found = resolve(self.stacks.incumbent, parse_changes(changes), installer=self.installer, report=self.report)
        gone = tuple(move for move in moves if move.new is None)
        return found if isinstance(found, StageFailure) else (*found, *gone)


@dataclass(frozen=True)
class _Search:
    """A search between a package's two versions for the place from which it fails as the candidate does."""

    bisecting: _Bisecting
    move: Move
    along: Moves
    evidence: Evidence

    def bisected(
        self, releases: Sequence[Release], make: Callable[[Moves], Built | StageFailure], among: str
    ) -> Range[Evidence]:
        """One case stands for all that went bad with it."""
        of = self.bisecting
        cases = [one.case_id for one in self.evidence if one.case_id is not None][:1]
        probing = Probing(of.stacks.incumbent, of.settings, cases, installer=of.installer, report=of.report, make=make)
        return bisect_releases(
            self.move,
            releases=releases,
            probe=same_fault(probing, self.evidence),
            results=journal(of.stacks, of.gated, of.settings, cases=cases, among=[self.move, self.along, among]),
            report=lambda announcement: of.report(announcement.sentence),
            along=self.along,
        )


@dataclass(frozen=True)
class _OfCommits:
    """Makes an environment of a commit: that of the bad release, in which a wheel of the commit is exchanged for it."""

    bisecting: _Bisecting
    checkout: Checkout
    commits: Commits
    base: Built

    def __call__(self, moves: Moves) -> Built | StageFailure:
        commit = next((move.new for move in moves if move.new in self.commits.titles), None)
        return self.bisecting.made(moves) if commit is None else self._of_commit(commit)

    def _of_commit(self, commit: str) -> Built | StageFailure:
        installer, report = self.bisecting.installer, self.bisecting.report
        wheel = wheel_of(self.checkout, commit, python=self.base.python, installer=installer, report=report)
        if isinstance(wheel, StageFailure):
            return wheel
        package = self.checkout.package
        move = Move(package, self.base.pins.versions.get(package), version_of(wheel))
        return self.bisecting.built((move,), self.base, installer.within(wheel.parent))


def same_fault(probe: Probe[Evidence], evidence: Evidence) -> Probe[Evidence]:
    """Takes for bad only what fails as the candidate does: a release with another fault says nothing about this one."""

    def probed(trial: Trial) -> Result[Evidence]:
        result = probe(trial)
        if result.outcome is not BAD or not result.evidence or set(result.evidence) & set(evidence):
            return result
        one = result.evidence[0]
        return replace(result, outcome=FAILED, why=f"it fails otherwise: {one.reason or one.outcome}")

    return probed
