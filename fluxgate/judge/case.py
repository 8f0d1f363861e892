"""The judge of one case: every check that applies is asked, and gives one verdict, whatever the case gave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from fluxgate.amounts import amount
from fluxgate.baselines.known_failures import EVERY, KnownFailure
from fluxgate.judge.answers import crashed, failed, no_data, unsupported
from fluxgate.judge.applicable import checks_of
from fluxgate.judge.checks import (
    accepted,
    ceilings,
    effect,
    inventory,
    leftovers,
    less_memory,
    oracle,
    pictures,
    scenes,
    speed,
    weights,
    work,
)
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import again
from fluxgate.judge.suspects import joined, most_likely
from fluxgate.judge.verdict import (
    BASELINE,
    CEILING,
    CRASHED,
    EFFECT,
    FAILED,
    GIVES_BACK,
    HOST,
    INVENTORY,
    KNOWN_FAILURE,
    LESS,
    ORACLE,
    PASSED,
    PROMISE,
    SCENE,
    SPEED,
    TWICE,
    WEIGHTS,
    WORK,
    Verdict,
)
from fluxgate.refusal import Refusal, full_stop
from fluxgate.rendering import Crash, CrashKind

ASKED: dict[str, Callable[[Evidence], Verdict]] = {
    TWICE: pictures.twice,
    PROMISE: pictures.promise,
    BASELINE: accepted.baseline,
    ORACLE: oracle.oracle,
    SCENE: scenes.scene,
    CEILING: ceilings.ceiling,
    LESS: less_memory.less,
    GIVES_BACK: leftovers.gives_back,
    HOST: ceilings.host,
    EFFECT: effect.effect,
    INVENTORY: inventory.inventory,
    WEIGHTS: weights.weights,
    WORK: work.work,
    SPEED: speed.speed,
}
LINES = 12  # of a crashed worker's last words that are worth repeating
BROKEN = (FAILED, CRASHED)


def judge_case(evidence: Evidence) -> tuple[Verdict, ...]:
    """One verdict for every check that applies to the case, in the order of the checks."""
    verdicts = _verdicts(evidence)
    broken = any(verdict.status in BROKEN for verdict in verdicts)
    entries = evidence.known_failures
    return tuple(_by_known_failure(verdict, entries.get(verdict.check), broken=broken) for verdict in verdicts)


def _verdicts(evidence: Evidence) -> list[Verdict]:
    """What the checks say, before known failures are considered."""
    checks, case = checks_of(evidence.case), evidence.case
    if case.unsupported is not None:
        return [unsupported(evidence, check, case.unsupported) for check in checks]
    if evidence.rendered is None:
        return [no_data(evidence, check, f"It was not rendered in this run. Run {again(case)}.") for check in checks]
    crash = evidence.rendered.rendering.crash
    if crash is not None and (alike := _as_reference(evidence, crash)):
        return [crashed(evidence, check, alike) for check in checks]
    if crash is not None:
        first, *others = checks
        lacked = _lacked(evidence, crash)
        who = "" if lacked else joined(crash.raised_in)
        ending = _ending(crash, lacked or most_likely(who))
        return [
            crashed(evidence, first, "\n".join((ending, *_last_words(crash))), suspects=who or None),
            *(crashed(evidence, check, ending, suspects=who or None) for check in others),
        ]
    return [_asked(evidence, check) for check in checks]


def _asked(evidence: Evidence, check: str) -> Verdict:
    """The check's answer; a file that cannot be used is a failure of the check that needed it."""
    try:
        return ASKED[check](evidence)
    except Refusal as refusal:
        return failed(evidence, check, f"It cannot be judged: {refusal}")


def _as_reference(evidence: Evidence, crash: Crash) -> str | None:
    """That the case ended as its reference did, whose own verdict says all of it."""
    theirs = evidence.reference.rendering if evidence.reference else None
    if theirs is None or theirs.crash is None:
        return None
    if (theirs.crash.kind, theirs.crash.phase, theirs.crash.sentence) != (crash.kind, crash.phase, crash.sentence):
        return None
    during = f" during {crash.phase}" if crash.phase else ""
    return f"The worker ended{during} as that of its reference did, {theirs.case_id}, in the same words."


def _lacked(evidence: Evidence, crash: Crash) -> str:
    """What the machine did not have for the case, where that ended it: then no library is suspected."""
    if crash.kind == CrashKind.DISK_FULL:
        return "Make room on the disk, and render it again."
    if crash.kind != CrashKind.OUT_OF_MEMORY or crash.limit is not None:  # what it is limited to is its own
        return ""
    if evidence.at_once > 1:
        return f"Up to {evidence.at_once} cases shared the memory; render fewer at once."
    if evidence.gpu_shared:
        return f"Other programs held {amount(evidence.gpu_shared)} of its GPU; end them, and render it again."
    return ""


def _ending(crash: Crash, why: str) -> str:
    during = f" during {crash.phase}" if crash.phase else ""
    sentence = f"The worker ended{during} ({crash.kind}): {crash.sentence}"
    return f"{full_stop(sentence.rstrip('.'))} {why}" if why else sentence


def _last_words(crash: Crash) -> Iterator[str]:
    """The end of the log, a line each; the line breaks are part of the evidence."""
    return (f"  {line}" for line in crash.last_lines[-LINES:])


def _by_known_failure(verdict: Verdict, entry: KnownFailure | None, *, broken: bool) -> Verdict:
    """A failure that is expected is known; a pass that is not expected fails. broken: some check of the case failed."""
    if entry is None:
        return verdict
    if verdict.status in BROKEN:
        where = f" ({', '.join(entry.upstream)})" if entry.upstream else ""
        known = f"Known since {entry.since}: {entry.reason.rstrip('.')}{where}."
        return replace(verdict, status=KNOWN_FAILURE, sentence=f"{known} {verdict.sentence}")
    if verdict.status != PASSED or (entry.check == EVERY and broken):
        return verdict
    known = f"It passes, though it has been known to fail since {entry.since} ({entry.reason.rstrip('.')})"
    remove = f"remove the entry of {entry.owner} from known_failures.toml"
    return replace(verdict, status=FAILED, sentence=f"{known}: {remove}. {verdict.sentence}")
