"""Tests of parts done in processes of their own: what they saw arrives, and one that dies is named."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from fluxgate.render.measure.meter import Meter  # noqa: E402
from fluxgate.render.process.crashes import crash_of  # noqa: E402
from fluxgate.render.process.launching import EnvironmentLauncher  # noqa: E402
from fluxgate.render.process.parts import PartDied, PartRunner  # noqa: E402
from fluxgate.render.watch.probe import Probe  # noqa: E402
from fluxgate.rendering import DECODE, DENOISE, ENCODE, LAST, T5  # noqa: E402
from fluxgate.strategies.promise import Site  # noqa: E402
from fluxgate.subjects.subject import Subject  # noqa: E402

SUBJECT = Subject("small", "a small pipeline", "folder:.", ())


def encodes(site: Site, *, beside: int = 0) -> None:
    """Encodes a prompt, and allocates so much memory beside."""
    pipe = site.pipeline(transformer=None, vae=None)
    site.watch(pipe)
    held = bytearray(os.urandom(1)) * beside
    with torch.no_grad():
        pipe.encode_prompt("a red circle", None, max_sequence_length=64)
    del held


def kills_itself(site: Site) -> None:
    print("one last word", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def raises(site: Site) -> None:
    raise ValueError("no such latents")


def runs_out_of_memory(site: Site) -> None:
    raise MemoryError


def denoises_nothing(site: Site) -> None:
    (site.scratch / "process.txt").write_text(str(os.getpid()))


@dataclass(frozen=True)
class Place:
    runner: PartRunner
    probe: Probe
    scratch: Path


@pytest.fixture(scope="module")
def runner(miniature_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartRunner]:
    """One server for all tests: it imports the libraries once."""
    scratch = tmp_path_factory.mktemp("parts")
    probe = Probe(SUBJECT, meter=Meter("cpu"), announce=lambda phase: None)
    site = Site(SUBJECT, folder=miniature_folder, device="cpu", scratch=scratch, watch=probe.watch)
    with closing(EnvironmentLauncher()) as launcher:
        yield PartRunner(site, probe=probe, launcher=launcher)
    probe.meter.close()


@pytest.fixture
def place(runner: PartRunner) -> Place:
    """The server, with a take that has just begun."""
    probe: Any = runner._probe
    probe.begin("one", 0)
    return Place(runner, probe, runner._site.scratch)


def test_what_a_part_saw_arrives(place: Place) -> None:
    """Fingerprints, components, counts and seconds are as if it had been done here."""
    place.runner.run(ENCODE, encodes)
    prints, durations = place.probe.end()
    inventory = place.probe.inventory.recorded()
    assert T5 in {print_.stage for print_ in prints}
    assert {"text_encoder", "text_encoder_2"} <= set(inventory.components)
    assert inventory.counts["prompt tokens"] == 64
    assert inventory.counts["processes"] >= 1
    assert {duration.phase: duration.shot for duration in durations}[ENCODE] == "one"


def test_the_memory_of_a_part_is_its_own(place: Place) -> None:
    """A part that allocates more than anybody held before is charged with it, in its phase."""
    place.runner.run(ENCODE, encodes)
    before = place.probe.meter.memory().peak("host", (ENCODE,))
    assert before is not None
    beside = before + 500_000_000  # this process counts too, and it may hold what other tests have left
    place.runner.run(ENCODE, encodes, beside=beside)
    after = place.probe.meter.memory().peak("host", (ENCODE,))
    assert after is not None
    assert beside < after < beside + before + 200_000_000


def test_a_part_has_a_process_of_its_own(place: Place) -> None:
    """Its process is neither this one nor still there."""
    place.runner.run(DENOISE, denoises_nothing)
    process = int((place.scratch / "process.txt").read_text())
    assert process != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


@pytest.mark.parametrize("part", [denoises_nothing, raises])
def test_a_part_leaves_no_file_of_its_own(place: Place, part: Any) -> None:
    """Its notes and its log go with it, however it ends; what it did for the strategy stays."""
    with suppress(PartDied):
        place.runner.run(DENOISE, part)
    assert [path.name for path in place.scratch.iterdir() if path.name != "process.txt"] == []


def test_nothing_is_seen_that_was_not_there(place: Place) -> None:
    """A part without a pipeline adds no fingerprint."""
    place.runner.run(DENOISE, denoises_nothing)
    prints, _ = place.probe.end()
    assert LAST not in {print_.stage for print_ in prints}


@pytest.mark.parametrize(
    "phase, part, kind, sentence",
    [
        (DENOISE, kills_itself, "signal", "the process for the stage 'denoise' died: the worker was ended by SIGKILL"),
        (DECODE, raises, "exception", "the process for the stage 'decode' died: ValueError: no such latents"),
        (ENCODE, runs_out_of_memory, "out of memory", "the process for the stage 'encode' died: MemoryError"),
    ],
)
def test_a_part_that_dies_says_which(place: Place, phase: str, part: Any, kind: str, sentence: str) -> None:
    """The crash names the stage and how it ended, and keeps the last lines of its log."""
    with pytest.raises(PartDied) as raised:
        place.runner.run(phase, part)
    crash = crash_of(raised.value)
    assert (crash.kind, crash.sentence) == (kind, f"PartDied: {sentence}")
    if part is kills_itself:
        assert "one last word" in crash.last_lines


def test_after_a_death_the_next_part_works(place: Place) -> None:
    """The server survives what its children do."""
    with pytest.raises(PartDied):
        place.runner.run(DENOISE, kills_itself)
    place.runner.run(ENCODE, encodes)
    assert T5 in {print_.stage for print_ in place.probe.end()[0]}
