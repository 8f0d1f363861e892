"""What the settings of a published guide change in the pictures, each alone and all together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fluxgate import figures
from fluxgate.compare import noise
from fluxgate.compare.difference import compare
from fluxgate.compare.facts import facts_of
from fluxgate.compare.likeness import average, worst
from fluxgate.compare.stages import FINISHED, StageDifference
from fluxgate.judge.sentences import listed
from fluxgate.judge.verdict import Verdict
from fluxgate.rendering import LAST, STAGES, Fingerprint
from fluxgate.runs.rendered import Rendered
from fluxgate.strategies.promise import Strategy
from fluxgate.strategies.staging import PUBLISHED, Settings

FLOAT16 = "float16"


@dataclass(frozen=True)
class Moved:
    """How far one setting took the pictures from the reference's."""

    setting: str
    strategy: str
    pictures: tuple[tuple[str, int], ...]  # shot and index
    least: float  # SSIM of the least like picture
    mean: float  # SSIM, over all pictures
    largest: float  # difference of any pixel, in levels of 255
    changed: float  # share of the pixels, over all pictures
    stage: str | None  # the first that differs, and in which type or size


@dataclass(frozen=True)
class Findings:
    """What is known of the settings from one subject's pictures."""

    subject: str
    reference: str
    moved: tuple[Moved, ...]  # alone, then all together
    sentence: str  # which setting moved the pictures more, or why that cannot be told


def findings(
    rendered: Mapping[str, Rendered], verdicts: Iterable[Verdict] = (), *, settings: Settings = PUBLISHED
) -> tuple[Findings, ...]:
    """For each subject that was rendered with any of the settings; verdicts know why one was not."""
    told = {verdict.case_id: verdict.sentence for verdict in verdicts}
    subjects = dict.fromkeys(one.rendering.subject for one in rendered.values())
    found = (_of_subject(subject, rendered, told, settings) for subject in subjects)
    return tuple(one for one in found if one.moved)


def _of_subject(
    subject: str, rendered: Mapping[str, Rendered], told: Mapping[str, str], settings: Settings
) -> Findings:
    reference = settings.together.promise.reference or ""
    against = rendered.get(f"{subject}-{reference}")
    moved, untold = [], {}
    for setting, strategy in (*settings.alone.items(), (listed(settings.alone), settings.together)):
        case_id = f"{subject}-{strategy.name}"
        found = _moved(setting, strategy, rendered.get(case_id), against)
        if isinstance(found, Moved):
            moved.append(found)
        else:
            untold[setting] = (found or told.get(case_id) or "it was not rendered in this run").rstrip(".")
    return Findings(subject, reference, tuple(moved), _sentence(settings, moved, untold) + _of_noise(against))


def _of_noise(reference: Rendered | None) -> str:
    """What float16 would have changed beside the arithmetic, with this release of torch."""
    rendering = reference.rendering if reference else None
    own = next((entry.dtype for entry in rendering.fingerprints if entry.stage == LAST), "") if rendering else ""
    if rendering is None or not noise.draws_differ(rendering.draws, FLOAT16, rendering.draws, own):
        return ""
    return " All started from the same noise; from the same seed, this torch would draw other numbers in float16."


def _moved(setting: str, strategy: Strategy, ours: Rendered | None, against: Rendered | None) -> Moved | str | None:
    """What the setting moved; else why that is not known, or None where nothing was rendered."""
    if ours is None or against is None:
        return None
    crash = ours.rendering.crash or against.rendering.crash
    if crash is not None:
        return f"it crashed: {crash.sentence}"
    difference = compare(facts_of(against), facts_of(ours))
    pairs = difference.pictures
    trouble = next((pair.trouble for pair in pairs if pair.likeness is None), None)
    found = [pair.likeness for pair in pairs if pair.likeness is not None]
    if trouble or not found:
        return trouble or "it gave no picture"
    over, least = average(found), worst(found)
    pictures = tuple((pair.shot, pair.index) for pair in pairs)
    stage = _first_stage(difference.stages)
    return Moved(
        setting,
        strategy.name,
        pictures,
        least=least.ssim,
        mean=over.ssim,
        largest=least.max_difference,
        changed=over.changed_share,
        stage=stage,
    )


def _first_stage(stages: Iterable[StageDifference]) -> str | None:
    """The earliest stage in which any shot differs, with the type and the size that it has instead."""
    seen = [stage for stage in stages if stage.stage != FINISHED]
    first = min(seen, key=lambda one: STAGES.index(one.stage), default=None)
    if first is None:
        return None
    told = ", ".join(_instead(first.expected, first.actual)) if first.expected and first.actual else ""
    return f"{first.stage} ({told})" if told else first.stage


def _instead(theirs: Fingerprint, ours: Fingerprint) -> Iterator[str]:
    if theirs.dtype != ours.dtype:
        yield f"{ours.dtype} for {theirs.dtype}"
    if theirs.shape != ours.shape:
        yield f"{'×'.join(map(str, ours.shape))} for {'×'.join(map(str, theirs.shape))}"


def _sentence(settings: Settings, moved: Iterable[Moved], untold: Mapping[str, str]) -> str:
    alone = sorted((one for one in moved if one.setting in settings.alone), key=lambda one: one.mean)
    why = next((f"{name} has no pictures ({told})" for name, told in untold.items() if name in settings.alone), None)
    if len({one.pictures for one in alone}) > 1:
        why = "they did not give the same pictures"
    names = listed(settings.alone)
    if why:
        return f"Which of {names} moved the pictures more cannot be told: {why}."
    most, *others = alone
    if all(one.changed == 0 for one in alone):
        return f"Of {names}, none moved a pixel."
    here, there = figures.likeness(most.mean), [figures.likeness(one.mean) for one in others]
    if here == there[0]:
        return f"The pictures were moved alike by {names}: mean SSIM {here}."
    rest = listed(one.setting for one in others)
    return f"{most.setting} moved the pictures more than {rest}: mean SSIM {here} against {listed(there)}."
