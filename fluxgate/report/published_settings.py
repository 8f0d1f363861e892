"""What the settings of a published guide change in the pictures, each alone and all together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

import numpy as np

from fluxgate import figures
from fluxgate.baselines.picture_changes import on_all_cores
from fluxgate.compare.difference import compare
from fluxgate.compare.draws import draws_differ
from fluxgate.compare.facts import Facts, Key, Source, facts_of
from fluxgate.compare.likeness import mismatch, similarity
from fluxgate.compare.stages import FINISHED, StageDifference
from fluxgate.judge.sentences import listed
from fluxgate.judge.verdict import Verdict
from fluxgate.refusal import Refusal
from fluxgate.rendering import LAST, STAGES, Fingerprint, id_of_case
from fluxgate.runs.rendered import Rendered
from fluxgate.strategies.promise import Strategy
from fluxgate.strategies.staging import PUBLISHED

FLOAT16 = "float16"


@dataclass(frozen=True)
class SettingChange:
    """How far one setting took the pictures from the reference's."""

    setting: str
    strategy: str
    pictures: tuple[tuple[str, int], ...]  # shot and index
    least_ssim: float  # of the picture that is least like the reference's
    mean_ssim: float  # over all pictures
    largest_difference: float  # of any pixel, in levels of 255
    changed_pixels: float  # their share, over all pictures
    first_stage: str | None  # the first that differs, and in which type or size


@dataclass(frozen=True)
class PublishedSettings:
    """What a guide's settings changed in the pictures of one subject."""

    subject: str
    reference: str
    changes: tuple[SettingChange, ...]  # by one setting alone, then by all together
    sentence: str  # which setting changed the pictures more, or why that is not known


def published_settings(
    rendered: Mapping[str, Rendered], verdicts: Iterable[Verdict] = ()
) -> tuple[PublishedSettings, ...]:
    """For each subject that was rendered with any of the settings; verdicts say why one was not."""
    reasons = {verdict.case_id: verdict.sentence for verdict in verdicts}
    subjects = dict.fromkeys(one.rendering.subject for one in rendered.values())
    every = (_of_subject(subject, rendered, reasons) for subject in subjects)
    return tuple(one for one in every if one.changes)


def _of_subject(subject: str, rendered: Mapping[str, Rendered], reasons: Mapping[str, str]) -> PublishedSettings:
    reference = PUBLISHED.combined.promise.reference or ""
    expected = rendered.get(id_of_case(subject, reference))
    changes: list[SettingChange] = []
    unknown: dict[str, str] = {}  # setting -> why nothing is known of it
    for setting, strategy in (*PUBLISHED.separate.items(), (listed(PUBLISHED.separate), PUBLISHED.combined)):
        case_id = id_of_case(subject, strategy.name)
        actual = rendered.get(case_id)
        if expected is None or actual is None:
            reason = reasons.get(case_id, "").rstrip(".")
            unknown[setting] = f"{setting} was not rendered" + (f" ({reason})" if reason else "")
            continue
        change = _change(setting, strategy, expected, actual)
        if isinstance(change, SettingChange):
            changes.append(change)
        else:
            unknown[setting] = change
    return PublishedSettings(subject, reference, tuple(changes), _sentence(changes, unknown) + _of_noise(expected))


def _of_noise(reference: Rendered | None) -> str:
    """What float16 would have changed beside the arithmetic, with this release of torch."""
    rendering = reference.rendering if reference else None
    own = next((entry.dtype for entry in rendering.fingerprints if entry.stage == LAST), "") if rendering else ""
    if rendering is None or not draws_differ(rendering.draws, FLOAT16, rendering.draws, own):
        return ""
    return " All started from the same noise; from the same seed, this torch would draw other numbers in float16."


def _change(setting: str, strategy: Strategy, expected: Rendered, actual: Rendered) -> SettingChange | str:
    """What the setting changed, or why that is not known."""
    for whose, rendered in ((setting, actual), ("the reference", expected)):
        if rendered.rendering.crash is not None:
            return f"{whose} crashed: {rendered.rendering.crash.sentence.rstrip('.')}"
    one, other = facts_of(expected), facts_of(actual)
    stages = compare(replace(one, pictures={}), replace(other, pictures={})).stages
    moves = on_all_cores(partial(_move, one), other.pictures.items())
    trouble = next((move for move in moves if isinstance(move, str)), None)
    if trouble is not None:
        return f"{setting}'s {trouble}"
    measured = [move for move in moves if isinstance(move, _Move)]
    if not measured:
        return f"{setting} gave no picture"
    return SettingChange(
        setting,
        strategy.name,
        tuple(other.pictures),
        least_ssim=min(move.ssim for move in measured),
        mean_ssim=fmean(move.ssim for move in measured),
        largest_difference=max(move.most for move in measured),
        changed_pixels=fmean(move.changed for move in measured),
        first_stage=_first_stage(stages),
    )


@dataclass(frozen=True)
class _Move:
    """How far a picture moved, by the measures that are told here: the others would take ten times as long."""

    ssim: float
    most: float  # levels of 255
    changed: float  # share of the pixels


def _move(expected: Facts, picture: tuple[Key, tuple[Source, ...]]) -> _Move | str:
    """How far a picture of the actual side is from the expected one, or why that cannot be said."""
    (shot, index), (actual, *_) = picture
    choices = expected.pictures.get((shot, index), ())
    if not choices:
        return f"shot '{shot}' has nothing to be compared with"
    try:
        one, other = choices[0].read(), actual.read()
    except Refusal as refusal:
        return f"shot '{shot}' cannot be compared: {refusal}".rstrip(".")
    unlike = mismatch(one, other)
    if unlike is not None:
        return f"shot '{shot}' {unlike}"
    gap = np.maximum(one, other) - np.minimum(one, other)
    moved = gap if gap.ndim == 2 else gap.max(axis=2)
    return _Move(similarity(one, other) if moved.any() else 1.0, float(moved.max()), float((moved > 0).mean()))


def _first_stage(stages: Iterable[StageDifference]) -> str | None:
    """The earliest stage in which any shot differs, with the type and the size that it has instead."""
    within = [stage for stage in stages if stage.stage != FINISHED]
    first = min(within, key=lambda one: STAGES.index(one.stage), default=None)
    if first is None:
        return None
    instead = ", ".join(_instead(first.expected, first.actual)) if first.expected and first.actual else ""
    return f"{first.stage} ({instead})" if instead else first.stage


def _instead(theirs: Fingerprint, ours: Fingerprint) -> Iterator[str]:
    if theirs.dtype != ours.dtype:
        yield f"{ours.dtype} for {theirs.dtype}"
    if theirs.shape != ours.shape:
        yield f"{'×'.join(map(str, ours.shape))} for {'×'.join(map(str, theirs.shape))}"


def _sentence(changes: Iterable[SettingChange], unknown: Mapping[str, str]) -> str:
    """Which of the settings, each alone, changed the pictures more."""
    alone = sorted((one for one in changes if one.setting in PUBLISHED.separate), key=lambda one: one.mean_ssim)
    why = next((unknown[setting] for setting in PUBLISHED.separate if setting in unknown), None)
    if len({one.pictures for one in alone}) > 1:
        why = "they did not give the same pictures"
    names = listed(PUBLISHED.separate)
    if why:
        return f"Which of {names} changed the pictures more is not known: {why}."
    most, *others = alone
    if all(one.changed_pixels == 0 for one in alone):
        return f"Neither {' nor '.join(PUBLISHED.separate)} changed a pixel."
    ssim, less = figures.likeness(most.mean_ssim), [figures.likeness(one.mean_ssim) for one in others]
    if ssim == less[0]:
        return f"{names} changed the pictures equally: mean SSIM {ssim}."
    than = listed(one.setting for one in others)
    return f"{most.setting} changed the pictures more than {than}: mean SSIM {ssim} against {listed(less)}."
