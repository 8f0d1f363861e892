"""The same faults under diffusers' own tests of FLUX and of memory strategies, held to the installed diffusers.

`python -m benchmarks.peer CHECKOUT [FAULT ...] [--beside N] [--gpus N] [--tests PATH] [--output FOLDER]
[--limit SECONDS] [--fluxgate FOLDER]`: CHECKOUT is a clone of diffusers' repository, of which only `tests` is used. The
tests run twice without a fault, and once with each; those count that pass both times without and fail with it. What
FOLDER has of a session already is not run again, and --fluxgate names what `fluxgate prove` has written."""

from __future__ import annotations

import argparse
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import peer_plugin
from benchmarks.peer_hub import make_hub
from fluxgate.files import read_plain, write_plain
from fluxgate.machine import detect, stack
from fluxgate.options import chosen
from fluxgate.prove import inside
from fluxgate.prove.fault import Fault, Loaded
from fluxgate.prove.faults import FAULTS, fault_named
from fluxgate.prove.outcome import JUDGED, Outcome, Share, With
from fluxgate.prove.patching import times_fired
from fluxgate.prove.proving import known
from fluxgate.prove.words import MARKS
from fluxgate.refusal import Refusal

ROOT = Path(__file__).parents[1]
TESTS = (
    "tests/pipelines/flux/test_pipeline_flux.py",
    "tests/models/transformers/test_models_transformer_flux.py",
    "tests/models/autoencoders/test_models_autoencoder_kl.py",
    "tests/hooks/test_group_offloading.py",
    "tests/quantization/bnb",
)
# Where this one fails, as it does with torch 2.11, it leaves the GPU hidden from torch for all tests after it.
HIDES_THE_GPU = "test_error_raised_if_streams_used_and_no_accelerator_device"
LEFT_OUT = "not compile and not context_parallel and not tensor_parallel"  # what is compiled, or needs several GPUs
CLEAN = ("clean", "clean-again")
TOLD = ("diffusers", "transformers", "accelerate", "bitsandbytes", "peft")
SESSION, RESULT = "session.json", "result.json"
PASSED, FAILED = "passed", "failed"
SEEN, NOT_SEEN, NOT_REACHED, NOT_ASKED, CUT = "seen", "not seen", "not reached", "not asked", "cut short"
WENT = (0, 1)  # exit codes of a pytest that came to its end


@dataclass(frozen=True)
class Session:
    """How diffusers' tests ended once, with a fault or without one."""

    name: str
    tests: dict[str, str]  # test -> passed, failed or skipped
    seconds: float
    code: int | None  # of the process; None: its time was over
    fired: int = 0  # how often the fault did something
    said: str = ""  # the last lines, if pytest did not come to its end
    machine: str = ""
    stack: dict[str, str] = field(default_factory=dict)
    release: str = ""  # of diffusers' tests
    selection: tuple[str, ...] = TESTS


@dataclass(frozen=True)
class Answer:
    """What diffusers' tests say about a fault."""

    fault: str
    status: str
    why: str = ""
    red: tuple[str, ...] = ()  # clean passes that failed
    fired: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Asked:
    """What is to be done."""

    tests: Path  # diffusers'
    selection: tuple[str, ...]  # of them
    release: str
    folder: Path
    beside: int
    gpus: int
    until: float  # when time is over, by time.monotonic()


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    every = [fault.name for fault in FAULTS if fault.equivalent is None]
    names = dict.fromkeys(options.fault or every)  # in the order asked for, since time may be short
    chosen(names, among=every, option="FAULT", listing="fluxgate prove --list")
    faults = [fault_named(name) for name in names]
    selection = tuple(dict.fromkeys(options.tests or TESTS))
    tests = _tests(options.checkout, selection)
    folder = options.output.absolute()
    until = time.monotonic() + options.limit
    asked = Asked(tests, selection, _release(options.checkout), folder, options.beside, options.gpus, until)
    put_in = [fault for fault in faults if _why_not(fault, options.gpus) is None]
    sessions = dict(_sessions([*CLEAN, *(fault.name for fault in put_in)], asked))
    answers = [_answer(fault, sessions, options.gpus) for fault in faults]
    write_plain(folder / RESULT, {"clean": _clean_counts(sessions), "answers": answers, **_provenance(sessions)})
    ours = {fault.name: outcome for output in options.fluxgate for fault, outcome in known(faults, output)}
    print("\n".join(table(answers, sessions, ours)))
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path, metavar="CHECKOUT", help="of diffusers, for its tests")
    parser.add_argument("fault", nargs="*", metavar="FAULT", help="of `fluxgate prove --list` (default: all)")
    parser.add_argument("--beside", type=int, default=1, metavar="N", help="sessions side by side")
    parser.add_argument("--gpus", type=int, default=0, metavar="N", help="GPUs that they are dealt to; 0: on the CPU")
    parser.add_argument(
        "--tests", action="append", choices=TESTS, metavar="PATH", help="only these (default: all of the list)"
    )
    parser.add_argument("--output", type=Path, default=Path("runs/peer"), metavar="FOLDER")
    parser.add_argument("--limit", type=float, default=1e9, metavar="SECONDS", help="after which all is cut short")
    parser.add_argument(
        "--fluxgate",
        type=Path,
        metavar="FOLDER",
        action="append",
        default=[],
        help="the output of fluxgate prove on this machine; of several, the last that has a fault counts",
    )
    return parser.parse_args(arguments)


def _tests(checkout: Path, selection: tuple[str, ...]) -> Path:
    """The folder of diffusers' tests in a clone."""
    missing = next((name for name in selection if not (checkout / name).exists()), None)
    if missing:
        raise Refusal(f"{checkout} is not a clone of diffusers with its tests: there is no {missing}.")
    return checkout / "tests"


def _release(checkout: Path) -> str:
    """The release that a clone says it is of."""
    said = checkout / "src" / "diffusers" / "__init__.py"
    found = re.search(r'__version__ = "([^"]+)"', said.read_text(encoding="utf-8")) if said.is_file() else None
    return found[1] if found else "an unknown release"


def _why_not(fault: Fault, gpus: int) -> str | None:
    """Why diffusers' tests cannot be asked about a fault here."""
    if isinstance(fault.patch, Loaded):
        return "it changes a pipeline that was loaded, and those tests build theirs"
    device = "cuda" if gpus else "cpu"
    return None if fault.only_on in (None, device) else f"it shows on another device than {device}"


def _sessions(names: list[str], asked: Asked) -> Iterator[tuple[str, Session]]:
    """Every session, so many side by side, those without a fault first."""
    lanes: queue.SimpleQueue[int] = queue.SimpleQueue()
    for lane in range(asked.beside):
        lanes.put(lane)
    place = _prepared(asked)
    ended = Counter[str]()

    def session(name: str) -> tuple[str, Session]:
        lane = lanes.get()
        try:
            one = _session(name, asked, place, gpu=str(lane % asked.gpus) if asked.gpus else "")
        finally:
            lanes.put(lane)
        ended["so far"] += 1
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(Counter(one.tests.values()).items()))
        print(f"{ended['so far']}/{len(names)} {name}: {counts or 'no test ended'} ({one.seconds:.0f} s)", flush=True)
        return name, one

    with ThreadPoolExecutor(asked.beside) as pool:
        yield from pool.map(session, names)


def _prepared(asked: Asked) -> Path:
    """Where the tests run: a copy of them without diffusers' src beside it, and stand-ins for what the hub has."""
    place = asked.folder / "place"
    if not place.exists():
        new = asked.folder / ".place"
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree(asked.tests, new / "tests")
        (new / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        make_hub(new / "hub")
        new.rename(place)
    return place


def _session(name: str, asked: Asked, place: Path, *, gpu: str) -> Session:
    home = asked.folder / "sessions" / name
    if (home / SESSION).exists():
        earlier = read_plain(home / SESSION, Session)
        if earlier.selection != asked.selection:
            raise Refusal(f"{asked.folder} has sessions with other tests; name another folder with --output.")
        return earlier
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    started = time.monotonic()
    code, said = _pytest(name, home, place, asked, gpu=gpu)
    session = Session(
        name,
        _ended(home / peer_plugin.ENDED),
        round(time.monotonic() - started, 1),
        code,
        times_fired(home / inside.COUNT),
        "" if code in WENT else said,
        detect().id,
        dict(stack()),
        asked.release,
        asked.selection,
    )
    shutil.rmtree(home / "temporary", ignore_errors=True)
    if code is not None:  # what was cut short is run again the next time
        write_plain(home / SESSION, session)
    return session


def _pytest(name: str, home: Path, place: Path, asked: Asked, *, gpu: str) -> tuple[int | None, str]:
    """Run the tests with the fault of that name, if it is one; how the process ended, and its last lines."""
    (home / "temporary").mkdir()
    plugins = ("-p", "benchmarks.peer_plugin", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", "-q", "--tb=line", f"--basetemp={home / 'temporary' / 'pytest'}"]
    variables = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "HF_HUB_CACHE": str(place / "hub"),
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": gpu,
        "TMPDIR": str(home / "temporary"),
        peer_plugin.FOLDER: str(home),
        inside.VARIABLE: "" if name in CLEAN else name,
    }
    log = home / "log"
    with log.open("wb") as into:
        try:
            done = subprocess.run(
                [*command, *plugins, "-m", LEFT_OUT, "-k", f"not {HIDES_THE_GPU}", *asked.selection],
                cwd=place,
                env=variables,
                stdout=into,
                stderr=subprocess.STDOUT,
                timeout=max(asked.until - time.monotonic(), 0.01),
                check=False,
            )
            code: int | None = done.returncode
        except subprocess.TimeoutExpired:
            code = None
    return code, "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])


def _ended(path: Path) -> dict[str, str]:
    """How each test ended: a test that passes and fails when it is taken down has failed."""
    ended: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        test, outcome = json.loads(line)
        if ended.get(test) != FAILED:
            ended[test] = outcome
    return ended


def clean_passes(sessions: Mapping[str, Session]) -> list[str]:
    """The tests that passed both times without a fault."""
    first, second = (sessions[name].tests for name in CLEAN)
    return [test for test, outcome in first.items() if outcome == second.get(test) == PASSED]


def _clean_counts(sessions: Mapping[str, Session]) -> dict[str, int]:
    first, second = (sessions[name].tests for name in CLEAN)
    counts = Counter(outcome if outcome == second.get(test) else "flaky" for test, outcome in first.items())
    return dict(sorted(counts.items()))


def _provenance(sessions: Mapping[str, Session]) -> dict[str, object]:
    of = sessions[CLEAN[0]]
    return {"machine": of.machine, "stack": of.stack, "release of the tests": of.release}


def _answer(fault: Fault, sessions: Mapping[str, Session], gpus: int) -> Answer:
    why = _why_not(fault, gpus)
    return Answer(fault.name, NOT_ASKED, why) if why else answer(sessions[fault.name], clean_passes(sessions))


def answer(session: Session, clean: list[str]) -> Answer:
    """What a session with a fault says about it; one that died of it has seen it, too."""
    red = tuple(test for test in clean if session.tests.get(test) == FAILED)
    died = session.code is not None and session.code not in WENT
    if red or (died and session.fired):
        status = SEEN
    elif died:
        status = NOT_ASKED
    elif session.code is None:
        status = CUT
    else:
        status = NOT_SEEN if session.fired else NOT_REACHED
    return Answer(session.name, status, session.said, red, session.fired, session.seconds)


def table(answers: list[Answer], sessions: Mapping[str, Session], ours: Mapping[str, Outcome]) -> Iterator[str]:
    """The document's lines."""
    of = sessions[CLEAN[0]]
    libraries = ", ".join(f"{name} {of.stack[name]}" for name in TOLD if name in of.stack)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in _clean_counts(sessions).items())
    yield f"On `{of.machine}` with {libraries}; diffusers' tests of {of.release}: {counts} without a fault."
    yield ""
    yield from (f"- {line}" for line in _tallies(answers, ours))
    yield ""
    yield "| fault | diffusers' own tests | fluxgate |"
    yield "| --- | --- | --- |"
    for one in answers:
        yield f"| `{one.fault}` | {_theirs(one)} | {_ours(ours.get(one.fault))} |"


def _tallies(answers: list[Answer], ours: Mapping[str, Outcome]) -> Iterator[str]:
    """Both, over the faults that both could be asked about."""
    tally = Counter(one.status for one in answers)
    others = "".join(f"; {tally[status]} {status}" for status in (NOT_REACHED, NOT_ASKED, CUT) if tally[status])
    yield f"diffusers' own tests: {Share(tally[SEEN], tally[SEEN] + tally[NOT_SEEN])}{others}"
    both = [one for one in answers if one.status in (SEEN, NOT_SEEN) and _is_known(ours.get(one.fault))]
    if both:
        theirs = sum(one.status == SEEN for one in both)
        yield f"of {len(both)} that both were asked about, diffusers' own tests: {theirs}"
        for held_to in With:
            caught = sum(ours[one.fault].caught(held_to) for one in both)
            yield f"of the same, fluxgate with {MARKS[held_to]}: {caught}"


def _is_known(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.status == JUDGED and outcome.did_something


def _theirs(one: Answer) -> str:
    """How many clean passes turned red, or why none did."""
    if one.status != SEEN:
        return one.status
    return f"{len(one.red)} red" if one.red else "the session died"


def _ours(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    caught = [MARKS[held_to] for held_to in With if outcome.caught(held_to)]
    return f"caught with {', '.join(caught)}" if caught else outcome.why or "not caught"


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Refusal as refusal:
        sys.exit(str(refusal))
