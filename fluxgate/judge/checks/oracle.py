"""Check of each stage against the oracle, from the same inputs: it needs no baseline, and no stage hides the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from fluxgate import figures
from fluxgate.cases import Case
from fluxgate.compare.oracle import HANDED, StageDistance, distances
from fluxgate.judge.answers import failed, no_data, passed
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import again, counted, origin
from fluxgate.judge.suspects import joined, most_likely, of_given_stage
from fluxgate.judge.tolerances import Limits, component_of, is_altered, limits_of
from fluxgate.judge.verdict import ORACLE, Limit, Verdict
from fluxgate.miniature.given import LEFT_OUT
from fluxgate.miniature.texts import TEXTS, tokenized
from fluxgate.rendering import (
    CLIP_TOKENS,
    DECODED,
    GENERATOR,
    LAST_LATENTS,
    LEVELS,
    OF_TEXTS,
    PICTURE,
    POOLED,
    T5,
    T5_TOKENS,
    TO_DECODE,
    GivenTake,
    callers,
    is_after_step,
    is_output,
    of_call,
    output_of,
    without_call,
)
from fluxgate.strategies.effects import TOKENS, Counted, Stored
from fluxgate.subjects.subject import VAE, Subject

BLOCKS = "blocks."  # in the names of a denoiser's layers that are in its blocks
FLOATS = ("bfloat16", "float16", "float32")
LEVELS_OF_PICTURES = "uint8"
TOKENIZERS = {"tokenizer": CLIP_TOKENS, "tokenizer_2": T5_TOKENS}  # by the stage that each makes
TOKENS_OF = tuple(TOKENIZERS.values())
SHOWN = 60  # characters of a text
# Beside what the denoiser gives, these have the pipeline's own dtype.
COMPUTED = (T5, POOLED, LAST_LATENTS, TO_DECODE, DECODED)


@dataclass(frozen=True)
class Wrong:
    """A stage that is not what it should be, and why."""

    stage: str
    sentence: str
    limit: Limit | None = None
    moves: bool = True  # its numbers; False: they are right, and come of too much work, or too little
    passed_over: bool = False


def oracle(evidence: Evidence) -> Verdict:
    """Every stage, run from what is given, lies as near to our own implementation as sound stacks do."""
    take = evidence.rendering.given
    if take is None:
        sentence = f"This rendering has no stages that were run from what is given. Run {again(evidence.case)}."
        return no_data(evidence, ORACLE, sentence)
    measured = distances(evidence.rendered_here, evidence.case.strategy.promise.computed_as)
    limits = {each.stage: _limits(evidence, each) for each in measured}
    wrong = [one for each in measured if (one := _wrong(evidence, each, limits[each.stage])) is not None]
    of_prompts = [one for one in wrong if without_call(one.stage) in TOKENS_OF]
    wrong = of_prompts + list(_of_texts(take)) + [one for one in _by_itself(wrong) if one not in of_prompts]
    wrong += [*_changed(take), *_miscounted(take, evidence.case)]
    numbers = {"stages": float(len(measured)), "wrong": float(len(wrong)), **_largest(measured, limits)}
    if take.error is not None:
        return _ended_early(evidence, take, wrong, numbers)
    if wrong:
        return _failed(evidence, wrong, numbers)
    unmeasured = list(_unmeasured(measured, limits))
    if unmeasured:
        how = "python -m fluxgate.calibration.tolerances"
        sentence = f"How far {unmeasured[0]} may lie from the oracle was not measured for such a strategy; run {how}."
        return no_data(evidence, ORACLE, sentence, numbers=numbers)
    nearest = f"the nearest to its limit takes {numbers['share of tolerance']:.0%} of it"
    return passed(evidence, ORACLE, f"All {len(measured)} stages agree with the oracle; {nearest}.", numbers=numbers)


def _by_itself(wrong: list[Wrong]) -> list[Wrong]:
    """Without the last latents, where something that all of their steps have is wrong, which they inherit."""
    inherits = any(one.stage.startswith((*HANDED, LEVELS, "timestep")) or _is_of_a_step(one.stage) for one in wrong)
    return [one for one in wrong if not (inherits and without_call(one.stage) == LAST_LATENTS)]


def _is_of_a_step(stage: str) -> bool:
    return is_output(stage) or is_after_step(stage)


def _unmeasured(measured: Sequence[StageDistance], limits: dict[str, Limits | None]) -> Iterator[str]:
    """The stages without a limit; of the last latents, each step's work was looked at in other calls."""
    for each in measured:
        if not each.exact and limits[each.stage] is None and without_call(each.stage) != LAST_LATENTS:
            yield each.stage


def _of_texts(take: GivenTake) -> Iterator[Wrong]:
    """Tokenizers that make other tokens of some texts than their files say, though not of any prompt."""
    for name, stage in TOKENIZERS.items():
        rows, expected = take.tokens.get(name), tokenized()[name]
        if rows is None or rows == expected:
            continue
        others = [text for text, row, due in zip_longest(TEXTS, rows, expected) if row != due]
        more = f", and of {counted(len(others) - 1, 'more text')}" if len(others) > 1 else ""
        sentence = f"is not what its files make of {_shown(others[0])}{more}"
        yield Wrong(of_call(stage, OF_TEXTS), sentence)


def _shown(text: str) -> str:
    """Its beginning, in letters that tell one accent from another that looks like it."""
    return f"{text[:SHOWN]!a}{'…' if len(text) > SHOWN else ''}"


def _changed(take: GivenTake) -> Iterator[Wrong]:
    """The caller's arguments that a call left otherwise than it must."""
    for stage in take.changed:
        drawn = without_call(stage) == callers(GENERATOR)
        yield Wrong(stage, "is not where one draw of the noise leaves it" if drawn else "was changed by the call")


def _miscounted(take: GivenTake, case: Case) -> Iterator[Wrong]:
    """Layers that compute more often, or less often, than a call of their network needs."""
    computed_as = case.strategy.promise.computed_as
    wrong = {
        name: (due, calls)
        for name, (due, calls) in take.miscounted.items()
        if not _is_left_out(name, due, calls, computed_as)
        and not (_is_the_same_in_each_step(name, case.subject) and 0 < calls < due)
    }
    for network, stage in _networks(case.subject).items():
        of_it = [(name, counts) for name, counts in wrong.items() if name.partition(".")[0] == network]
        for name, (due, calls) in of_it[:1]:
            others = len(of_it) - 1
            more = f", and so {'is' if others == 1 else 'are'} {others} more of its layers" if others else ""
            yield Wrong(stage, f"is made with {name} called {counted(calls, 'time')}, not {due}{more}", moves=False)


def _is_the_same_in_each_step(layer: str, subject: Subject) -> bool:
    """Whether what it gives may be kept from the first step on, as a picture's tokens are. What blocks are given
    changes in each step; so do noise levels, but there the numbers would tell."""
    network, _, within = layer.partition(".")
    return network == subject.denoiser and BLOCKS not in within


def _is_left_out(layer: str, due: int, calls: int, computed_as: str | None) -> bool:
    """Whether a cache answers it from memory in one of the first call's steps."""
    named = LEFT_OUT.get(computed_as or "")
    return named is not None and named in layer and calls == due - 1


def _networks(subject: Subject) -> dict[str, str]:
    """Each network, and the stage at which its work shows."""
    encoders = subject.encoders or ("",)
    return {encoders[0]: POOLED, encoders[-1]: T5, subject.denoiser: output_of(1), VAE: DECODED}


def _limits(evidence: Evidence, distance: StageDistance) -> Limits | None:
    if distance.actual is None or distance.exact:
        return None
    altered = is_altered(distance.stage, evidence.case.subject, evidence.rendering.inventory)
    stack = evidence.rendering.libraries
    dtype, machine = distance.actual.dtype, evidence.machine
    return limits_of(evidence.case, distance.stage, dtype, altered=altered, machine=machine, stack=stack)


def _largest(measured: Sequence[StageDistance], limits: dict[str, Limits | None]) -> dict[str, float]:
    """The largest share of its tolerance that any stage takes."""
    shares = [
        share
        for each in measured
        if (tolerance := limits[each.stage]) is not None
        for share in (_share(each.rms, tolerance.rms), _share(each.worst, tolerance.worst))
    ]
    return {"share of tolerance": max(shares, default=0.0)}


def _share(value: float, most: Limit) -> float:
    return value / most.value if most.value else 0.0


def _wrong(evidence: Evidence, distance: StageDistance, limits: Limits | None) -> Wrong | None:
    """What is wrong with one stage; nothing where its tolerance is not known."""
    stage, actual = distance.stage, distance.actual
    if actual is None:
        return Wrong(stage, "was passed over", passed_over=True)
    if distance.reshaped or (distance.padded and not _asks_for_others(evidence)):
        return Wrong(stage, f"has the shape {'×'.join(map(str, actual.shape))}, which is another one than the oracle's")
    if distance.exact:
        return None if distance.worst <= _handed_tolerance(actual.dtype) else Wrong(stage, "is not what was given")
    if without_call(stage) == PICTURE and actual.dtype != LEVELS_OF_PICTURES:
        return Wrong(stage, f"is an array of {actual.dtype}, and no picture")
    dtype, flow = actual.dtype, flow_dtype(evidence)
    if (without_call(stage) in COMPUTED or _is_of_a_step(stage)) and dtype != flow:
        return Wrong(stage, f"is {dtype}, not {flow}")
    if actual.gradients:
        return Wrong(stage, "carries gradients")
    return _too_far(distance, limits)


def _too_far(distance: StageDistance, limits: Limits | None) -> Wrong | None:
    if limits is None:
        return None
    for what, value, limit in (("", distance.rms, limits.rms), ("at worst ", distance.worst, limits.worst)):
        if not value <= limit.value:
            unit = "levels" if without_call(distance.stage) == PICTURE else "of its size"
            far, most = figures.distinct(value, limit.value)
            sentence = f"lies {what}{far} {unit} from the oracle; the limit is {most} ({origin(limit)})"
            return Wrong(distance.stage, sentence, limit)
    return None


def _handed_tolerance(dtype: str) -> float:
    """bfloat16's numbers are float16's, too, but for the smallest, which it rounds."""
    return 1e-4 if dtype == "float16" else 0.0


def _asks_for_others(evidence: Evidence) -> bool:
    """Whether the strategy has a number of tokens of its own."""
    return any(isinstance(one, Counted) and one.what == TOKENS for one in evidence.case.strategy.promise.effects)


def flow_dtype(evidence: Evidence) -> str:
    """The dtype that the strategy computes in: the one that it stores components in, else the subject's."""
    stored = [one.dtype for one in evidence.case.strategy.promise.effects if isinstance(one, Stored)]
    return next((dtype for dtype in stored if dtype in FLOATS), evidence.case.subject.dtype)


def _failed(evidence: Evidence, wrong: Sequence[Wrong], numbers: dict[str, float]) -> Verdict:
    first, others = wrong[0], wrong[1:]
    lead = f"The first stage that is wrong is '{first.stage}': it {first.sentence}."
    each = "Each stage starts from what is given, so none inherits it"
    if without_call(first.stage) == LAST_LATENTS:
        each = "In shorter calls each step is right by itself, so it is a later step's, or such a shape's, doing"
    rest = f"{each}; {counted(len(others), 'later stage')} wrong, too: {_named(others)}." if others else f"{each}."
    who = f"{_caller(first)}{_suspects(evidence, first.stage)}"
    sentence = f"{lead} {most_likely(who)} {rest} Run {again(evidence.case)}."
    stage = first.stage if first.moves else None
    return failed(evidence, ORACLE, sentence, numbers=numbers, limit=first.limit, stage=stage, suspects=who)


def _caller(first: Wrong) -> str:
    """Who is to be suspected beside whoever works in the stage: it may have been passed over, or called too often."""
    if first.passed_over:
        return "diffusers' pipeline, which calls it, or "
    return "" if first.moves else "diffusers' call of it or "


def _ended_early(evidence: Evidence, take: GivenTake, wrong: Sequence[Wrong], numbers: dict[str, float]) -> Verdict:
    """A stage that was wrong before may be what ended it; else whoever the error came through is to be asked."""
    stages = [one.stage for one in sorted(wrong, key=lambda one: one.passed_over)]  # those that were there come first
    stage, error = stages[0] if stages else PICTURE, (take.error or "").rstrip(".")
    lead = f"The call in which each stage is run from what is given ended early, at '{stage}': {error}."
    before = any(not one.passed_over for one in wrong)
    who = _suspects(evidence, stage) if before or not take.raised_in else joined(take.raised_in)
    sentence = f"{lead} {most_likely(who)} Run {again(evidence.case)}."
    return failed(evidence, ORACLE, sentence, numbers=numbers, stage=stage, suspects=who)


def _named(wrong: Sequence[Wrong]) -> str:
    names = [f"'{one.stage}'" for one in wrong]
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _suspects(evidence: Evidence, stage: str) -> str:
    inventory, name = evidence.rendering.inventory, component_of(stage, evidence.case.subject)
    return of_given_stage(stage, inventory.components.get(name or "") if inventory else None)
