"""The judge of one case: every check asked, exactly one verdict each, whatever the case gave."""

from __future__ import annotations

from collections.abc import Callable

from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.judge.checks import accepted, effect, memory, pictures, scenes, speed
from fluxgate.judge.evidence import Answer, Evidence, crashed, failed, unsupported
from fluxgate.judge.verdict import (
    BASELINE,
    CEILING,
    CHECKS,
    CRASHED,
    EFFECT,
    FAILED,
    GIVES_BACK,
    HOST,
    INVENTORY,
    KNOWN_FAILURE,
    LESS,
    NOT_SELECTED,
    PASSED,
    PROMISE,
    SCENE,
    SPEED,
    TWICE,
    Verdict,
)
from fluxgate.refusal import Refusal
from fluxgate.rendering import Crash

ASKED: dict[str, Callable[[Evidence], Answer]] = {
    TWICE: pictures.twice,
    PROMISE: pictures.promise,
    BASELINE: accepted.baseline,
    SCENE: scenes.scene,
    CEILING: memory.ceiling,
    LESS: memory.less,
    GIVES_BACK: memory.gives_back,
    HOST: memory.host,
    EFFECT: effect.effect,
    INVENTORY: effect.inventory,
    SPEED: speed.speed,
}
LINES = 12  # of a crashed worker's last words that are worth repeating
EVERY = "*"  # the check of a known failure that means all of them


def judge_case(evidence: Evidence) -> tuple[Verdict, ...]:
    """One verdict for every check, in the order of the checks."""
    answers = _answers(evidence)
    answers = {check: _with_known_failure(answers, check, evidence.known.get(check)) for check in CHECKS}
    return tuple(_verdict(evidence, check, answer) for check, answer in answers.items())


def _answers(evidence: Evidence) -> dict[str, Answer]:
    """What the checks say, before known failures are considered."""
    if evidence.case.unsupported is not None:
        reason = evidence.case.unsupported
        return {check: unsupported(reason) for check in CHECKS}
    if evidence.rendered is None:
        return {check: Answer(NOT_SELECTED, "It was not rendered in this run.") for check in CHECKS}
    crash = evidence.rendered.rendering.crash
    if crash is not None:
        first, *others = CHECKS
        return {first: crashed(_last_words(crash)), **{check: crashed(_short(crash)) for check in others}}
    return {check: _asked(check, evidence) for check in CHECKS}


def _asked(check: str, evidence: Evidence) -> Answer:
    """The check's answer; a file that cannot be used is a failure of the check that needed it."""
    try:
        return ASKED[check](evidence)
    except Refusal as refusal:
        return failed(f"It cannot be judged: {refusal}")


def _short(crash: Crash) -> str:
    during = f" during {crash.phase}" if crash.phase else ""
    return f"The worker ended{during} ({crash.kind}): {crash.sentence}"


def _last_words(crash: Crash) -> str:
    """The crash with the log's end; the line breaks are part of the evidence."""
    lines = crash.last_lines[-LINES:]
    return "\n".join([_short(crash), *(f"  {line}" for line in lines)])


def _with_known_failure(answers: dict[str, Answer], check: str, entry: KnownFailure | None) -> Answer:
    """A failure that is expected is known; a pass that is not expected fails."""
    answer = answers[check]
    if entry is None:
        return answer
    if answer.status in (FAILED, CRASHED):
        reason, where = entry.reason.rstrip("."), f" ({', '.join(entry.upstream)})" if entry.upstream else ""
        sentence = f"Known since {entry.since}: {reason}{where}. {answer.sentence}"
        return _restated(answer, KNOWN_FAILURE, sentence)
    if answer.status != PASSED:
        return answer
    broken = any(other.status in (FAILED, CRASHED) for other in answers.values())
    if entry.check == EVERY and broken:
        return answer
    sentence = f"It passes, and is known to fail since {entry.since} ({entry.reason.rstrip('.')}): remove the entry of"
    return _restated(answer, FAILED, f"{sentence} {entry.owner} from known_failures.toml. {answer.sentence}")


def _restated(answer: Answer, status: str, sentence: str) -> Answer:
    return Answer(status, sentence, answer.numbers, answer.limit, answer.pictures, answer.stage)


def _verdict(evidence: Evidence, check: str, answer: Answer) -> Verdict:
    return Verdict(
        subject=evidence.case.subject.name,
        strategy=evidence.case.strategy.name,
        check=check,
        status=answer.status,
        sentence=answer.sentence,
        numbers=dict(answer.numbers),
        limit=answer.limit,
        pictures=dict(answer.pictures),
        stage=answer.stage,
    )
