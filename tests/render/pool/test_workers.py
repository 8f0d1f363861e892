"""Tests of the parent's side: whatever a worker does, a rendering comes out."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fluxgate.files import read_plain
from fluxgate.gpus import Gpu
from fluxgate.judge.checks.leftovers import COUNTERS
from fluxgate.locks import silent
from fluxgate.pictures import hash_of, read_png
from fluxgate.render.pool import workers as module
from fluxgate.render.pool.device_queue import turn
from fluxgate.render.pool.workers import FORK, SPAWN, Workers, _passing_on
from fluxgate.render.process.determinism import VARIABLES
from fluxgate.render.process.notes import Note
from fluxgate.rendering import (
    BESIDE,
    BLOCKS,
    DENOISE,
    DRAWN_IN_LOADING,
    FILES_OPEN,
    LEFTOVER_FILES,
    LOAD,
    MALLOC,
    MAPPED,
    NETWORK_ASKED,
    PHASES,
    PRINTED,
    READ_IN_LOADING,
    STAGES,
    TIDIED_IN_LOADING,
    Picture,
    Rendering,
)
from tests.render import making
from tests.wording import unsaid


@pytest.fixture
def render(workers: Workers, tmp_path: Path) -> Any:
    """Render a case whose pipeline need not exist."""

    def render(load: Any, *shots: Any, source: Path = tmp_path, timeout: float = 120, **options: Any) -> Rendering:
        return workers.render(making.case(load, *shots), tmp_path / "case", source=source, timeout=timeout, **options)

    return render


@pytest.fixture(scope="module")
def rendered(workers: Workers, tmp_path_factory: pytest.TempPathFactory, miniature_folder: Path) -> Any:
    """Both shots for a CPU rendered in full: the rendering, its folder, and what was reported meanwhile."""
    folder, lines = tmp_path_factory.mktemp("full"), []
    case = making.case(making.full, making.ONE, replace(making.ONE, name="gpu", only_on="cuda"), making.FOUR)

    def on_pictures(pictures: tuple[Picture, ...]) -> None:
        there = all((folder / picture.file).is_file() for picture in pictures)
        lines.append(f"{len(pictures)} of {pictures[0].shot}, take {pictures[0].take}, there: {there}")

    rendering = workers.render(
        case, folder, source=miniature_folder, timeout=300, report=lines.append, on_pictures=on_pictures
    )
    return rendering, folder, lines


def test_a_whole_rendering_has_no_crash_and_is_on_disk(rendered: Any) -> None:
    """What the parent returns is what rendering.json holds."""
    rendering, folder, _ = rendered
    assert rendering.crash is None
    assert read_plain(folder / "rendering.json", Rendering) == rendering


def test_on_a_cpu_the_first_shot_is_rendered_twice_and_the_others_once(rendered: Any) -> None:
    """Two takes of one shot tell determinism; more would only cost time there. A shot for GPUs is left out."""
    rendering, _, _ = rendered
    takes = sorted({(picture.shot, picture.take) for picture in rendering.pictures})
    assert takes == [("four", 0), ("one", 0), ("one", 1)]


def test_what_stays_on_the_host_is_measured(rendered: Any) -> None:
    """Once all is loaded, through the second take, and once all is freed; the denoiser's calls beside it."""
    rendering, _, _ = rendered
    assert 0 < rendering.memory.host_loaded < rendering.memory.host_peak
    assert rendering.memory.held_after == rendering.memory.host_held < 1000
    assert rendering.memory.host_grown < 16 << 20
    assert rendering.inventory.counts[BESIDE] < 100_000
    assert rendering.inventory.counts[LEFTOVER_FILES] == 0
    calls = {entry.shot: (entry.calls, len(entry.steps)) for entry in rendering.durations if entry.phase == DENOISE}
    assert calls == {"one": (2, 2), "four": (3, 3)}


def test_every_stage_of_every_take_has_a_fingerprint(rendered: Any) -> None:
    """All six stages are seen in each take, and the two takes agree in all of them."""
    rendering, _, _ = rendered
    assert tuple(stage for stage in rendering.fingerprints_of("one", 0) if stage in STAGES) == STAGES
    assert tuple(stage for stage in rendering.fingerprints_of("four", 0) if stage in STAGES) == STAGES
    first, again = (list(rendering.fingerprints_of("one", take).values()) for take in (0, 1))
    assert [print_.sha256 for print_ in first] == [print_.sha256 for print_ in again]


def test_steps_of_the_stages(rendered: Any) -> None:
    """First, middle and last latents know their step: of three, the first, the second and the third."""
    rendering, _, _ = rendered
    prints = rendering.fingerprints_of("four")
    assert [prints[stage].step for stage in STAGES] == [None, None, 1, 2, 3, None]


def test_pictures_on_disk_have_the_hash_of_the_array(rendered: Any) -> None:
    """A PNG read back gives the very array that was hashed, also for a batch of two prompts times two."""
    rendering, folder, _ = rendered
    assert [picture.index for picture in rendering.pictures if picture.shot == "four"] == [0, 1, 2, 3]
    for picture in rendering.pictures:
        assert hash_of(read_png(folder / picture.file)) == picture.sha256


def test_the_steps_of_first_takes_have_small_pictures(rendered: Any) -> None:
    """Those that have a fingerprint, in one file for each picture; nothing that was put aside for them stays."""
    rendering, folder, _ = rendered
    assert [(each.shot, each.index, each.steps) for each in rendering.steps] == [
        ("one", 0, (1, 2)),
        *(("four", index, (1, 2, 3)) for index in range(4)),
    ]
    for each in rendering.steps:
        assert read_png(folder / each.file).shape == (each.height, len(each.steps) * each.width, 3)
    assert not list(folder.glob("*.npy"))


def test_pictures_are_shown_once_nothing_is_timed_any_more(rendered: Any) -> None:
    """Those of each take of each shot, after the last of them and before the calls that are only counted."""
    _, _, lines = rendered
    shown = [number for number, line in enumerate(lines) if ", there: " in line]
    assert [lines[number] for number in shown] == [
        "1 of one, take 0, there: True",
        "4 of four, take 0, there: True",
        "1 of one, take 1, there: True",
    ]
    assert "shot 1/2 'one' again" in lines[shown[0] - 1]
    assert "work counted" in lines[shown[-1] + 1]


@pytest.mark.parametrize("device, shown", [("cuda", [1, 2]), ("cpu", [])])
def test_a_gpus_pictures_are_shown_as_soon_as_they_are_written(device: str, shown: list[int]) -> None:
    """Comparing them takes nothing from a GPU; on a CPU it would be measured."""
    picture = Picture("one", 0, 0, "one-0.png", "0" * 64, 8, 8, "RGB")
    glances = list[int]()
    case = replace(making.case(making.full, making.ONE), device=device)
    pass_on = _passing_on(case, silent, lambda pictures: glances.append(len(pictures)))
    pass_on(Note(pictures=(picture,)))
    pass_on(Note(pictures=(picture, picture)))
    assert glances == shown
    pass_on(Note(measured=True))
    assert glances == [1, 2]


def test_takes_that_are_equal_share_a_file(rendered: Any) -> None:
    """No second file is written for a picture that is the same."""
    rendering, folder, _ = rendered
    assert rendering.pictures_of(1)["one", 0].file == rendering.pictures_of(0)["one", 0].file == "one-0.png"
    assert not list(folder.glob("*take1*"))


def test_every_phase_has_seconds_and_every_step_too(rendered: Any) -> None:
    """Load once, then encode, denoise and decode for each take; the steps fit into their phase."""
    rendering, _, _ = rendered
    assert [duration.phase for duration in rendering.durations] == [LOAD, *PHASES[1:] * 3]
    for duration in rendering.durations:
        if duration.phase == DENOISE:
            assert len(duration.steps) == (2 if duration.shot == "one" else 3)
            assert 0 < sum(duration.steps) <= duration.seconds


def test_the_log_the_notes_and_the_scratch_folder(rendered: Any) -> None:
    """A finished case keeps its log; its notes and its scratch folder are gone."""
    _, folder, _ = rendered
    names = {path.name for path in folder.iterdir()}
    assert "log.txt" in names
    assert names.isdisjoint({"progress.jsonl", "scratch"})


def test_progress_is_reported_in_short_lines(rendered: Any) -> None:
    """Each line names the case and what is done."""
    lines = [line for line in rendered[2] if line.startswith("small-full: ")]
    assert lines[0] == "small-full: started"
    assert lines[1].startswith("small-full: loaded in ")
    assert lines[2].startswith("small-full: shot 1/2 'one' in ")
    assert lines[3].startswith("small-full: shot 2/2 'four' in ")
    assert lines[4].startswith("small-full: shot 1/2 'one' again in ")
    assert lines[-1] == "small-full: finished"


def test_a_spawned_worker_gives_the_same_pictures(rendered: Any, tmp_path: Path, miniature_folder: Path) -> None:
    """How a worker starts moves no pixel and no stage."""
    rendering, _, _ = rendered
    with Workers(start=SPAWN, takes=1) as spawning:
        other = spawning.render(making.case(making.full), tmp_path, source=miniature_folder, timeout=300)
    assert other.crash is None
    assert other.pictures_of()["one", 0].sha256 == rendering.pictures_of()["one", 0].sha256
    assert [p.sha256 for p in other.fingerprints_of("one").values()] == [
        p.sha256 for p in rendering.fingerprints_of("one").values()
    ]


def test_what_only_a_second_take_shows_is_not_measured_without_one(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, miniature_folder: Path
) -> None:
    """Neither memory that grows nor files that are left behind are 0 then: they are missing, with the reason."""
    monkeypatch.setattr(workers, "takes", 1)
    rendering = workers.render(making.case(making.full), tmp_path, source=miniature_folder, timeout=300)
    assert rendering.crash is None
    assert rendering.memory is not None
    assert rendering.memory.host_grown is None
    assert not unsaid(rendering.memory.unavailable["host_grown"], "second time")
    assert rendering.inventory is not None
    assert LEFTOVER_FILES not in rendering.inventory.counts


def test_takes_that_differ_are_both_kept(render: Any, miniature_folder: Path) -> None:
    """A pipeline that does not repeat itself leaves both pictures."""
    rendering = render(making.draws_on_its_own, source=miniature_folder)
    first, second = rendering.pictures_of(0)["one", 0], rendering.pictures_of(1)["one", 0]
    assert first.sha256 != second.sha256
    assert second.file == "one-0-take1.png"


def test_a_megabyte_that_each_call_leaves_is_seen(render: Any, miniature_folder: Path) -> None:
    """Buffers, objects, open files and mappings: each by its own counter, with what a clean case leaves beside it."""
    left, clean = (
        render(load, source=miniature_folder).repeated for load in (making.leaves_a_megabyte_a_call, making.full)
    )
    for counter, least in ((MALLOC, 1 << 20), (BLOCKS, 4000), (FILES_OPEN, 1), (MAPPED, 1 << 20)):
        assert left.least(counter) >= least, counter
        assert left.least(counter) > COUNTERS[counter][0]
    assert left.types["Kept"] >= 3 * 4000
    for counter, (most, *_) in COUNTERS.items():
        assert clean.least(counter) <= most, counter


def test_what_is_drawn_printed_tidied_and_asked_for_is_counted(
    rendered: Any, render: Any, miniature_folder: Path
) -> None:
    """By torch's own generator while a pipeline is loaded, and to standard output, or of the network, at any time."""
    clean, _, _ = rendered
    assert [clean.inventory.counts[one] for one in (DRAWN_IN_LOADING, PRINTED, NETWORK_ASKED)] == [0, 0, 0]
    counts = render(making.draws_and_prints, source=miniature_folder).inventory.counts
    assert counts[DRAWN_IN_LOADING] == 1
    assert counts[PRINTED] >= 2
    assert counts[NETWORK_ASKED] == 1
    tidied = TIDIED_IN_LOADING["collected"]
    assert (clean.inventory.counts[tidied], counts[tidied]) == (0, 1)


def test_files_of_weights_that_loading_opens_are_counted(rendered: Any, miniature_folder: Path) -> None:
    """By their bytes, each file once."""
    clean, _, _ = rendered
    sizes = [file.stat().st_size for file in miniature_folder.rglob("*.safetensors")]
    assert clean.inventory.counts[READ_IN_LOADING] == sum(sizes)


def test_a_file_that_each_call_leaves_is_counted(render: Any, miniature_folder: Path) -> None:
    """Those of the second take, wherever they lie."""
    assert render(making.leaves_a_file_a_call, source=miniature_folder).inventory.counts[LEFTOVER_FILES] == 1


def test_an_exception_is_a_crash_with_its_first_line(render: Any) -> None:
    """The sentence has the type and the first line; the last lines have the traceback; the phase is the load."""
    crash = render(making.raises).crash
    assert (crash.kind, crash.sentence, crash.phase) == ("exception", "ValueError: no such thing", LOAD)
    assert crash.last_lines[-1] == "second line"


def test_a_segfault_is_a_signal_and_leaves_a_stack(render: Any) -> None:
    """The signal has its name, and the log ends with where it happened."""
    crash = render(making.segfaults).crash
    assert (crash.kind, crash.sentence) == ("signal", "the worker was ended by SIGSEGV")
    assert any("segfaults" in line for line in crash.last_lines)


def test_a_killed_worker_is_known_by_its_signal(render: Any) -> None:
    """SIGKILL is named."""
    crash = render(making.kills_itself).crash
    assert (crash.kind, crash.sentence) == ("signal", "the worker was ended by SIGKILL")


@pytest.mark.parametrize(("load", "code"), [(making.leaves, 3), (making.leaves_in_silence, 0)])
def test_an_exit_before_the_end_is_a_crash(render: Any, load: Any, code: int) -> None:
    """Even with exit code 0: what is not finished is not fine."""
    crash = render(load).crash
    assert (crash.kind, unsaid(crash.sentence, f"exit code {code}")) == ("exit", [])


def test_a_worker_that_hangs_is_killed_with_its_children(render: Any, tmp_path: Path) -> None:
    """The time is kept, the log tells where it hung, and no process is left."""
    started = time.monotonic()
    crash = render(making.hangs, timeout=3).crash
    assert time.monotonic() - started < 300  # it would hang for twice as long
    assert (crash.kind, unsaid(crash.sentence, "not done after 3 s", "killed")) == ("timeout", [])
    assert any("in hangs" in line for line in crash.last_lines)
    child = int((tmp_path / "case" / "child.txt").read_text())
    assert not _alive(child)


def _alive(process: int) -> bool:
    """Whether a process runs; one that is dead and only waits to be noticed does not."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("load", [making.takes_all_memory, making.takes_all_tensor_memory])
def test_too_much_memory_has_a_kind_of_its_own(render: Any, load: Any) -> None:
    """Python's and torch's own refusals are the same kind of crash."""
    assert render(load).crash.kind == "out of memory"


@pytest.mark.parametrize(
    ("load", "limit", "sentence"),
    [
        (
            making.fills_a_gpu,
            12 * 10**9,
            "out of memory under the limit of 12.00 GB: RuntimeError: CUDA out of memory.",
        ),
        (
            making.fills_a_gpu_in_a_part,
            512 * 10**6,
            "PartDied: the process for the stage 'denoise' died: out of memory",
        ),
        (making.fills_a_gpu, None, "RuntimeError: CUDA out of memory."),
        (making.takes_all_memory, 12 * 10**9, "MemoryError"),
    ],
)
def test_the_limit_of_a_worker_is_named_when_it_runs_out(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Any, limit: int | None, sentence: str
) -> None:
    """A full GPU names the limit, in a process of a part too; a full machine does not."""
    monkeypatch.setattr(workers, "vram_limit", limit)
    crash = workers.render(making.case(load), tmp_path / "case", source=tmp_path, timeout=120).crash
    assert crash is not None
    assert crash.kind == "out of memory"
    assert crash.sentence.startswith(sentence)
    assert crash.limit == (None if load is making.takes_all_memory else limit)


def test_what_c_prints_is_in_the_log(render: Any, tmp_path: Path) -> None:
    """The log takes the process's output, not only Python's."""
    render(making.prints_from_c)
    assert "a line from C" in (tmp_path / "case" / "log.txt").read_text()


def test_a_crash_in_the_second_take_keeps_the_first(render: Any, tmp_path: Path, miniature_folder: Path) -> None:
    """Partial data stays: the pictures, the seconds and the inventory until then. What was put aside goes."""
    rendering = render(making.dies_in_the_second_call, source=miniature_folder)
    assert rendering.crash.kind == "CUDA error"
    assert [(picture.shot, picture.take) for picture in rendering.pictures] == [("one", 0)]
    assert set(STAGES) <= set(rendering.fingerprints_of("one", 0))
    assert not list((tmp_path / "case").glob("*.npy"))
    assert rendering.inventory.components["transformer"].total_bytes > 0
    assert rendering.memory.held_after is None


def test_the_next_case_renders_after_a_crash(render: Any, miniature_folder: Path) -> None:
    """A dead worker takes nothing with it."""
    assert render(making.segfaults).crash is not None
    assert render(making.full, source=miniature_folder).crash is None


def test_warnings_of_the_libraries_are_collected(render: Any, miniature_folder: Path) -> None:
    """Python's warnings and those of the libraries' loggers, each once."""
    rendering = render(making.warns, source=miniature_folder)
    assert rendering.warnings.count("UserWarning: the ice is thin") == 1
    assert rendering.warnings.count("diffusers.somewhere: so is the air") == 1


def test_a_warning_of_a_call_that_is_no_shot_is_not_one_of_the_shots(render: Any, miniature_folder: Path) -> None:
    """As of calls for one step, of which some schedulers make a NaN."""
    rendering = render(making.warns_of_few_steps, source=miniature_folder)
    assert (rendering.crash, rendering.repeated.unavailable) == (None, None)
    assert not [line for line in rendering.warnings if "invalid value" in line]


def test_a_strategy_that_cannot_be_sent_is_a_crash(render: Any) -> None:
    """A function that another process cannot find is a crash that says so."""

    def nested(site: Any) -> Any:
        return None

    crash = render(nested).crash
    assert crash.kind == "exception"
    assert not unsaid(crash.sentence, "could not be started", "tests.render.pool.test_workers")


@pytest.mark.parametrize("start", [FORK, SPAWN])
def test_a_strategy_that_cannot_be_imported_there_is_a_crash(
    workers: Workers, tmp_path: Path, monkeypatch: Any, start: str
) -> None:
    """However the worker starts, it says which function is missing, and its log has the traceback."""
    gone = ModuleType("gone")
    exec("def load(site): pass", gone.__dict__)
    monkeypatch.setitem(sys.modules, "gone", gone)  # here it can be imported, in a worker it cannot
    with nullcontext(workers) if start == FORK else Workers(start=SPAWN) as used:
        crash = used.render(making.case(gone.load), tmp_path / "case", source=tmp_path, timeout=120).crash
    assert crash is not None
    assert (crash.kind, crash.phase) == ("exception", None)
    sentence = "gone:load cannot be imported: ModuleNotFoundError: No module named 'gone'"
    assert crash.sentence == sentence
    assert (tmp_path / "case" / "log.txt").read_text().endswith(f"{sentence}\n")


def test_a_fork_server_that_dies_is_replaced_by_spawning(tmp_path: Path, miniature_folder: Path) -> None:
    """The case is rendered all the same, and the reason is kept."""
    with Workers(takes=1) as workers:
        server: Any = workers._launcher._server
        server._process.kill()
        lines: list[str] = []
        case = making.case(making.full)
        rendering = workers.render(case, tmp_path, source=miniature_folder, timeout=300, report=lines.append)
        assert rendering.crash is None
        reason = "the process that imported the libraries was ended by SIGKILL"
        assert workers.fallback == reason
        assert [unsaid(line, "each worker", "anew") for line in lines if reason in line] == [[]]


def test_the_case_sees_the_environment_and_folder_of_the_parent(render: Any, monkeypatch: Any, tmp_path: Path) -> None:
    """A worker forked long ago still gets today's environment."""
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("FLUXGATE_TOLD", str(os.getpid()))
    assert render(making.full, source=tmp_path / "nowhere").determinism["PYTHONHASHSEED"] == "7"


def test_a_case_runs_under_the_settings_that_determinism_needs(render: Any, monkeypatch: Any, tmp_path: Path) -> None:
    """Where the parent does not say otherwise, although the worker's environment is the parent's."""
    name = "CUBLAS_WORKSPACE_CONFIG"
    monkeypatch.delenv(name, raising=False)
    assert render(making.full, source=tmp_path / "nowhere").determinism[name] == VARIABLES[name]


def test_each_lane_has_a_gpu_and_its_share_of_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads beyond those would wait for each other. Whoever has set a number has it; alone, torch has its own."""
    gpus = tuple(Gpu("a GPU", f"GPU-{number}", 10**9, "9.0", "500") for number in range(3))
    monkeypatch.setattr(module, "visible_gpus", lambda: gpus)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    devices, variables = Workers(lane=4)._devices("cuda", gpus=1)
    assert (devices, variables["CUDA_VISIBLE_DEVICES"], variables["OMP_NUM_THREADS"]) == (("GPU-1",), "GPU-1", "21")
    assert "OMP_NUM_THREADS" not in Workers()._devices("cuda", gpus=1)[1]
    shared = Workers(lane=4, at_once=4)
    assert shared._devices("cuda", gpus=1)[1]["OMP_NUM_THREADS"] == "5"
    assert shared._devices("cpu", gpus=1)[1]["OMP_NUM_THREADS"] == "16"
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert Workers(lane=0)._devices("cuda", gpus=1)[1]["OMP_NUM_THREADS"] == "2"


def test_workers_that_share_a_device_render_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside one that has it already; the rendering says so, and others are not asked what they hold."""
    monkeypatch.setenv("FLUXGATE_QUEUE", str(tmp_path / "queue"))
    monkeypatch.setattr(module, "memory_in_use", lambda devices: pytest.fail("asked"))
    case = making.case(making.raises, device="cuda")
    with Workers(at_once=2) as workers, turn("cuda", case="another", at_once=2):
        rendering = workers.render(case, tmp_path / "case", source=tmp_path, timeout=120, report=silent)
    assert rendering.at_once == 2


@pytest.mark.parametrize("held, most", [((3, 7), 7), ((9, None), 9), ((None, None), None)])
def test_what_others_hold_of_a_gpu_is_asked_before_and_after(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: tuple[Any, Any], most: int | None
) -> None:
    """While no worker is there; the larger one is told, also of a case that crashed."""
    answers = iter(held)
    monkeypatch.setattr(module, "memory_in_use", lambda devices: next(answers))
    case = making.case(making.raises, device="cuda")
    assert workers.render(case, tmp_path / "case", source=tmp_path, timeout=120).held_by_others == most


def test_a_worker_is_ended_from_another_thread(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Ctrl-C would: the rendering says so, and no process is left; nor does one wait for its turn any longer."""
    monkeypatch.setattr(workers, "_stopped", threading.Event())  # those of other tests go on

    def report(line: str) -> None:
        if line.endswith("started"):
            threading.Thread(target=workers.stop).start()

    with pytest.raises(KeyboardInterrupt):
        workers.render(making.case(making.hangs), tmp_path / "case", source=tmp_path, timeout=120, report=report)
    crash = read_plain(tmp_path / "case" / "rendering.json", Rendering).crash
    assert crash is not None
    assert crash.kind == "interrupted"
    with turn("cpu", case="another"), pytest.raises(KeyboardInterrupt):
        workers.render(making.case(making.hangs), tmp_path / "next", source=tmp_path, timeout=120)


def test_what_is_no_case_has_the_device_to_itself(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for its turn as a case does."""
    monkeypatch.setenv("FLUXGATE_QUEUE", str(tmp_path))
    assert "PATH" in workers.variables("cpu")
    with workers.device_for("NF4", "cpu"):
        (ticket,) = (tmp_path / "cpu").iterdir()
        assert "NF4" in ticket.read_text()


def test_a_worker_tells_what_it_does_beside_rendering(rendered: Any) -> None:
    """By what for; with loading and rendering that is all it lived but for its beginning and end as a process."""
    rendering, _, _ = rendered
    assert set(rendering.beside) >= {"start", "between takes", "inventory", "counting", "hooks", "free"}
    told = sum(rendering.beside.values()) + sum(duration.seconds for duration in rendering.durations)
    assert 0.8 * rendering.wall_seconds - 1 < told < rendering.wall_seconds
