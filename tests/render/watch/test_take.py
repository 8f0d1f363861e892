"""Tests of the record of one take."""

from __future__ import annotations

import math
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.measure.meter import Meter  # noqa: E402
from fluxgate.render.process.notes import Note, Notebook, NotesReader  # noqa: E402
from fluxgate.render.watch.take import NO_LEVEL, TakeRecorder  # noqa: E402
from fluxgate.rendering import DECODE, DECODED, DENOISE, ENCODE, T5, Duration, Fingerprint  # noqa: E402


class Pipeline:
    """Stands in for one."""


def recorder(announced: list[str | None] | None = None) -> TakeRecorder:
    announce: Any = (announced if announced is not None else []).append
    return TakeRecorder("one", 1, meter=Meter("cpu"), announce=announce)


def durations(take: TakeRecorder) -> dict[str, Duration]:
    return {duration.phase: duration for duration in take.end()[1]}


def test_a_phase_that_goes_on_is_announced_once() -> None:
    """And its end, too."""
    announced: list[str | None] = []
    take = recorder(announced)
    for phase in (ENCODE, ENCODE, DENOISE):
        take.enter(phase)
    take.end()
    assert announced == [ENCODE, DENOISE, None]


def test_fingerprints_and_durations_name_their_shot_and_take() -> None:
    """Whatever was recorded before is another take's."""
    take = recorder()
    take.enter(ENCODE)
    take.record(T5, torch.zeros(2))
    (fingerprint,), (duration,) = take.end()
    assert (fingerprint.stage, fingerprint.shot, fingerprint.take) == (T5, "one", 1)
    assert (duration.phase, duration.shot, duration.take) == (ENCODE, "one", 1)


def test_steps_of_another_process_come_before_those_of_this_one() -> None:
    """Its fingerprints, calls, levels and repetitions count as if they were from here."""
    take = recorder()
    take.enter(DENOISE)
    there = Fingerprint("one", 1, T5, "a" * 64, (2,), "float32", 0.0, 0.0, 0.0, 0.0, True)
    steps = Duration(DENOISE, 1.0, "one", 1, (0.5, 0.25), levels=(1.0, 0.0), calls=2)
    take.add_from_process([there], [steps])
    take.begin_step()
    take.end_step()
    take.calls += 1
    fingerprints, (duration,) = take.end()
    assert fingerprints == (there,)
    assert (duration.steps[:2], len(duration.steps)) == ((0.5, 0.25), 3)
    assert (duration.levels, duration.calls) == ((1.0, 0.0), 3)


def test_a_noise_level_that_is_no_number_does_not_lose_the_take(tmp_path: Path) -> None:
    """JSON has none: the pictures of a scheduler that divides by zero would be gone, and nobody would say why."""
    take = recorder()
    take.enter(DENOISE)
    take.levels = (1.0, math.nan, math.inf)
    (duration,) = take.end()[1]
    with closing(Notebook(tmp_path / "notes")) as notebook:
        notebook.add(Note(durations=(duration,)))
    (note,) = NotesReader(tmp_path / "notes").new()
    assert note.durations[0].levels == (1.0, NO_LEVEL, NO_LEVEL)


@pytest.mark.parametrize(
    ("first", "second", "repeats"),
    [("a fox", "a fox", 1), ("a fox", "a dog", 0), (None, None, 0), (["a fox"], ["a fox"], 1)],
)
def test_the_same_words_encoded_again_are_a_repetition(first: Any, second: Any, repeats: int) -> None:
    """Other words are none, and a call without words says nothing of what it encodes."""
    take, pipeline = recorder(), Pipeline()
    take.enter(ENCODE)
    assert [take.begins_encoding(pipeline) for _ in range(2)] == [True, False]
    take.record_prompt(pipeline, (first, 512))
    take.record_prompt(pipeline, (second, 512))
    assert durations(take)[ENCODE].repeats == repeats


def test_the_same_words_for_another_encoder_are_none() -> None:
    """Hunyuan-DiT has one call encode for each, by its number."""
    take, pipeline = recorder(), Pipeline()
    take.enter(ENCODE)
    assert take.begins_encoding(pipeline)
    for number in (0, 1):
        take.record_prompt(pipeline, ("a fox", number, True))
    assert durations(take)[ENCODE].repeats == 0


def test_another_pipeline_does_not_repeat_the_first() -> None:
    """It may have other encoders."""
    take, first, second = recorder(), Pipeline(), Pipeline()
    take.enter(ENCODE)
    for pipeline in (first, second):
        assert take.begins_encoding(pipeline)
        take.record_prompt(pipeline, ("a fox",))
    assert durations(take)[ENCODE].repeats == 0


def test_what_is_decoded_in_several_calls_is_one_stage() -> None:
    """In their order; equal latents decoded again are a repetition."""
    one, other = torch.zeros(1, 3), torch.ones(1, 3)
    take = recorder()
    take.enter(DECODE)
    for tensor in (one, other, one):
        take.add_decoded(tensor)
    (fingerprint,), (duration,) = take.end()
    assert (fingerprint.stage, fingerprint.shape) == (DECODED, (3, 3))
    assert duration.repeats == 1
