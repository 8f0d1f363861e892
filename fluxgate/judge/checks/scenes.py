"""Check of what a picture shows: the things that its prompt asks for, where a subject's pictures can be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fluxgate import figures
from fluxgate.compare.facts import Facts, Key
from fluxgate.judge.answers import failed, no_data, passed
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.readers import Finding
from fluxgate.judge.readings import Shown, shown_by, shown_of, together
from fluxgate.judge.sentences import again, counted, listed, picture_name, sentence_case
from fluxgate.judge.verdict import SCENE, Verdict

# Of what a prompt asks, drawings of it show 97%, those of another prompt 16% (one in a hundred above 60%): measured on
# 24 drawn scenes. Half tells the two apart for a picture, and leaves no doubt for a case.
HALF = 0.5
SLACK = 0.1  # share of what is asked that may be lost; a thing or two change colour or count
# Coarser weights move a small model's pictures further: of 64 things asked of the miniature on a CPU, NF4 lost 9, and
# float8 half of one picture. Another prompt loses 84%.
COARSE_SLACK = QUARTER = 0.25


@dataclass(frozen=True)
class Expected:
    """What the pictures that the case's are compared with show; nothing where there are none."""

    whose: str = ""  # "full's", "the accepted ones"
    shown: Mapping[Key, Shown] = field(default_factory=dict)


def scene(evidence: Evidence) -> Verdict:
    """The pictures show what the prompts ask for, or as much of it as those that they are compared with."""
    ours = shown_by(evidence.case, {key: one for key, (one,) in evidence.facts.pictures.items()})
    every = together(ours.values())
    if not ours:
        return failed(evidence, SCENE, f"There is no picture to read. Run {again(evidence.case)}.")
    if not every.asked:
        sentence = f"The reader {evidence.case.subject.reader} knows nothing that these prompts ask for."
        return no_data(evidence, SCENE, f"{sentence} Give a shot a prompt that it can read, or name another reader.")
    numbers = {"asked": float(every.asked), "found": float(every.there)}
    expected = _expected(evidence)
    for objection in (*_of_other_prompts(evidence, ours), *_objections(evidence, ours, expected)):
        return failed(evidence, SCENE, f"{objection} Run {again(evidence.case)}.", numbers=numbers)
    sentence = f"{_summary(ours)}{_absent(evidence, ours, expected)}"
    return passed(evidence, SCENE, sentence, numbers=numbers)


def _expected(evidence: Evidence) -> Expected:
    """The reference's pictures in the same run, else the accepted ones."""
    reference = evidence.reference
    if reference is not None and reference.rendering.crash is None:
        return Expected(f"{reference.rendering.strategy}'s", _first_shown(evidence, evidence.reference_facts))
    if evidence.baseline is not None:
        return Expected("the accepted ones", _first_shown(evidence, evidence.accepted_facts))
    return Expected()


def _first_shown(evidence: Evidence, facts: Facts) -> dict[Key, Shown]:
    """What the first right picture of each shot shows; pictures of another recipe answer other prompts."""
    today = evidence.facts.recipes
    pictures = {
        key: first
        for key, (first, *_) in facts.pictures.items()
        if first.kept and facts.recipes.get(key[0]) == today.get(key[0])
    }
    return shown_by(evidence.case, pictures)


def _of_other_prompts(evidence: Evidence, ours: Mapping[Key, Shown]) -> Iterator[str]:
    """Pictures that do not show what their own prompt asks, and do show what another does."""
    prompts = {prompt: shot.name for shot in evidence.case.shots for prompt in shot.prompts}
    for key, shown in ours.items():
        (picture,) = evidence.facts.pictures[key]
        for prompt, shot in prompts.items() if shown.asked and shown.share < HALF else ():
            if shown_of(evidence.case, picture, prompt).share >= HALF:
                whose = f"shot '{shot}'" if shot != key[0] else "another prompt of this shot"
                yield f"{_shows(evidence, key, shown)}, but is of {whose}: '{prompt}'."


def _objections(evidence: Evidence, ours: Mapping[Key, Shown], expected: Expected) -> Iterator[str]:
    approximates = evidence.case.strategy.promise.approximates is not None
    yield from _worse_pictures(evidence, ours, expected, approximates=approximates)
    if not expected.shown and together(ours.values()).share < HALF:
        yield f"{_summary(ours)} Missing: {together(ours.values()).missing}."
    if not approximates:
        yield from _poor_pictures(evidence, {key: one for key, one in ours.items() if key not in expected.shown})
    both = [key for key in ours if key in expected.shown]
    mine, theirs = together(ours[key] for key in both), together(expected.shown[key] for key in both)
    slack = COARSE_SLACK if approximates else SLACK
    if theirs.there - mine.there > max(1.0, slack * mine.asked):
        lost = Shown(_lost(ours, expected)).missing
        yield f"The pictures show {mine.count} of what is asked, {expected.whose} {theirs.count}: {lost}."


def _worse_pictures(
    evidence: Evidence, ours: Mapping[Key, Shown], expected: Expected, *, approximates: bool
) -> Iterator[str]:
    """Single pictures that show much less than those that they are compared with."""
    for key, shown in ours.items():
        theirs = expected.shown.get(key, Shown())
        least = QUARTER * theirs.share if approximates else HALF
        if theirs.share >= HALF and shown.share < least:
            yield f"{_shows(evidence, key, shown)}, {expected.whose} {theirs.count}: {shown.missing}."


def _poor_pictures(evidence: Evidence, ours: Mapping[Key, Shown]) -> Iterator[str]:
    """Single pictures that can be compared with none, and show little of what their prompt asks."""
    for key, shown in ours.items():
        if shown.asked and shown.share < HALF:
            yield f"{_shows(evidence, key, shown)}: {shown.missing}."


def _shows(evidence: Evidence, key: Key, shown: Shown) -> str:
    return f"{sentence_case(picture_name(evidence.case, *key))} shows {shown.count} of what its prompt asks"


def _absent(evidence: Evidence, ours: Mapping[Key, Shown], expected: Expected) -> str:
    """What is not shown, although the check has passed; and whether the others lack it too."""
    absent = [
        f"{picture_name(evidence.case, *key)}: {finding.asked}"
        for key, shown in ours.items()
        for finding in shown.findings
        if not finding.found
    ]
    if not absent:
        return ""
    also = f" ({expected.whose} lack it too)" if expected.shown and not _lost(ours, expected) else ""
    return f" Not found: {listed(absent)}{also}."


def _lost(ours: Mapping[Key, Shown], expected: Expected) -> tuple[Finding, ...]:
    """What is not shown, and is in the pictures that they are compared with."""
    return tuple(
        mine
        for key, shown in ours.items()
        for mine, theirs in zip(shown.findings, expected.shown.get(key, Shown()).findings, strict=False)
        if theirs.found and not mine.found
    )


def _summary(ours: Mapping[Key, Shown]) -> str:
    every = together(ours.values())
    where = f"{counted(len(ours), 'picture')} ({figures.percent(every.share)})"
    return f"{every.count} things asked for are found in {where}."
