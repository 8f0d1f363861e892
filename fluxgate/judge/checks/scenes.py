"""Check of what a picture shows: the things that its prompt asks for, where a subject's pictures can be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

import numpy as np

from fluxgate import figures
from fluxgate.cases import Case
from fluxgate.compare.facts import Key, Source
from fluxgate.judge.evidence import Answer, Evidence, failed, passed, unsupported
from fluxgate.judge.sentences import again, counted, listed, picture_name, sentence_case
from fluxgate.miniature import captions, reader
from fluxgate.miniature.reader import Finding, Reading
from fluxgate.pictures import Pixels

# Of what a prompt asks, drawings of it show 97%, those of another prompt 16% (one in a hundred above 60%): measured on
# 24 drawn scenes. Half tells the two apart for a picture, and leaves no doubt for a case.
HALF = 0.5
SLACK = 0.1  # share of what is asked that may be lost; a thing or two change colour or count
# Coarser weights move a small model's pictures further: of 64 things asked of the miniature on a CPU, NF4 lost 9, and
# float8 half of one picture. Another prompt loses 84%.
COARSE_SLACK = QUARTER = 0.25

Findings = Mapping[Key, tuple[Finding, ...]]  # shot and index -> what was asked, and whether it is there


def scene(evidence: Evidence) -> Answer:
    """What the prompts ask for is found in the pictures, or as much of it as in those they are held against."""
    if not evidence.case.subject.reader:
        return unsupported("The pictures of this subject are not scenes that can be read.")
    if not any(shot.readable for shot in evidence.case.shots):
        return unsupported("No shot of this case gives a scene that can be read.")
    pictures = {key: one for key, (one,) in evidence.facts.pictures.items()}
    ours = _findings(evidence, pictures)
    if not any(ours.values()):
        return failed(f"There is no picture to read. Run {again(evidence.case)}.")
    whose, theirs = _held_against(evidence)
    for objection in (*_elsewhere(evidence, ours, pictures), *_objections(evidence, ours, theirs, whose=whose)):
        return failed(f"{objection} Run {again(evidence.case)}.", numbers=_numbers(ours))
    return passed(f"{_told(ours)}{_missing(evidence, ours, theirs, whose=whose)}", numbers=_numbers(ours))


def _elsewhere(evidence: Evidence, ours: Findings, pictures: Mapping[Key, Source]) -> Iterator[str]:
    """Pictures that do not show what their own prompt asks, and do show what another does."""
    prompts = {prompt: shot.name for shot in evidence.case.shots for prompt in shot.prompts}
    for key, findings in ours.items():
        for prompt, shot in prompts.items() if _share(findings) < HALF else ():
            if _share(reader.compare(_reading(pictures[key]), captions.parse(prompt))) >= HALF:
                who = sentence_case(picture_name(evidence.case, *key))
                whose = f"shot '{shot}'" if shot != key[0] else "another prompt of this shot"
                yield f"{who} shows {_count(findings)} of what its prompt asks, but is of {whose}: '{prompt}'"


def _objections(evidence: Evidence, ours: Findings, theirs: Findings, *, whose: str) -> Iterator[str]:
    approximates = evidence.case.strategy.promise.approximates is not None
    for key, findings in ours.items():
        held = _share(theirs.get(key, ()))
        if _share(findings) < (QUARTER * held if approximates else HALF) and held >= HALF:
            who = sentence_case(picture_name(evidence.case, *key))
            more = f"{whose} {_count(theirs[key])}"
            yield f"{who} shows {_count(findings)} of what its prompt asks, {more}: {_lacks(findings)}."
    if _share(_all(ours)) < HALF and not theirs:
        yield f"{_told(ours)} Missing: {_lacks(_all(ours))}."
    for key, findings in ours.items():
        if findings and key not in theirs and not approximates and _share(findings) < HALF:
            who = sentence_case(picture_name(evidence.case, *key))
            yield f"{who} shows {_count(findings)} of what its prompt asks: {_lacks(findings)}."
    shared = [key for key in ours if key in theirs]
    mine, others = _all(ours, shared), _all(theirs, shared)
    slack = COARSE_SLACK if approximates else SLACK
    if _found(others) - _found(mine) > max(1.0, slack * len(mine)):
        lost = _lacks(_newly_missing(ours, theirs))
        yield f"The pictures show {_count(mine)} of what is asked, {whose} {_count(others)}: {lost}."


def _missing(evidence: Evidence, ours: Findings, theirs: Findings, *, whose: str) -> str:
    """What is not shown, although the check has passed; and whether it is missing elsewhere too."""
    absent = [
        f"{picture_name(evidence.case, *key)}: {finding.asked}"
        for key, findings in ours.items()
        for finding in findings
        if not finding.found
    ]
    if not absent:
        return ""
    new = _newly_missing(ours, theirs)
    also = f" ({whose} lack it too)" if theirs and not new else ""
    return f" Not found: {listed(absent)}{also}."


def _newly_missing(ours: Findings, theirs: Findings) -> list[Finding]:
    return [
        mine
        for key, findings in ours.items()
        for mine, other in zip(findings, theirs.get(key, ()), strict=False)
        if other.found and not mine.found
    ]


# Reading


def read_ahead(case: Case, source: Source) -> None:
    """Read a picture before anybody asks what it shows."""
    if case.subject.reader:
        _reading(source)


@lru_cache(maxsize=512)
def _reading(source: Source) -> Reading:
    """What a picture shows; the same pixels are read once, in whichever case they are."""
    return reader.read(_coloured(source.read()))


def _coloured(pixels: Pixels) -> Pixels:
    colours: Pixels = np.stack([pixels] * 3, axis=2) if pixels.ndim == 2 else pixels[..., :3]
    return np.ascontiguousarray(colours)


def _held_against(evidence: Evidence) -> tuple[str, Findings]:
    """Whose pictures the case's are held against: the reference's in the same run, else the accepted ones."""
    if evidence.reference is not None and evidence.reference.rendering.crash is None:
        theirs = {key: first for key, (first, *_) in evidence.reference_facts.pictures.items()}
        return f"{evidence.reference.rendering.strategy}'s", _findings(evidence, theirs)
    if evidence.baseline is not None:
        return "the accepted ones", _findings(evidence, _accepted(evidence))
    return "", {}


def _accepted(evidence: Evidence) -> dict[Key, Source]:
    """The first accepted picture of each shot; pictures of another recipe answer other prompts."""
    accepted, today = evidence.accepted_facts, evidence.facts.recipes
    return {
        key: first
        for key, (first, *_) in accepted.pictures.items()
        if accepted.recipes.get(key[0]) == today.get(key[0])
    }


def _findings(evidence: Evidence, pictures: Mapping[Key, Source]) -> Findings:
    """What the pictures of the case's own shots show of their prompts."""
    return {
        (shot.name, index): reader.compare(_reading(pictures[shot.name, index]), captions.parse(shot.prompt_of(index)))
        for shot in evidence.case.shots
        for index in range(shot.pictures)
        if shot.readable and (shot.name, index) in pictures
    }


# Counting


def _share(findings: Iterable[Finding]) -> float:
    findings = tuple(findings)
    return _found(findings) / len(findings) if findings else 0.0


def _found(findings: Iterable[Finding]) -> int:
    return sum(finding.found for finding in findings)


def _all(found: Findings, keys: Iterable[Key] | None = None) -> list[Finding]:
    return [finding for key in (found if keys is None else keys) for finding in found[key]]


def _count(findings: Iterable[Finding]) -> str:
    findings = tuple(findings)
    return f"{_found(findings)} of {len(findings)}"


def _lacks(findings: Iterable[Finding]) -> str:
    """What is missing, each once: of two foxes that are asked for, both may be."""
    return listed(dict.fromkeys(finding.sentence for finding in findings if not finding.found))


def _told(ours: Findings) -> str:
    every = _all(ours)
    where = f"{counted(len(ours), 'picture')} ({figures.percent(_share(every))})"
    return f"{_count(every)} things asked for are found in {where}."


def _numbers(ours: Findings) -> dict[str, float]:
    every = _all(ours)
    return {"asked": float(len(every)), "found": float(_found(every))}
