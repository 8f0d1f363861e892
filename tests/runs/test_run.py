"""Tests of runs: folders of plain JSON that survive crashes, damage and newer versions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.files import write_plain
from fluxgate.refusal import Refusal
from fluxgate.render.process.notes import FILE, CaseHeader, Note, Notebook
from fluxgate.rendering import DENOISE, Crash, CrashKind, Duration, Rendering
from fluxgate.runs import run as runs
from fluxgate.runs.run import Run, create, finish, latest, open_run
from tests.runs.building import MACHINE, STACK, put, rendering


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return create(tmp_path, MACHINE, STACK, ["pytest", "-k", "nf4"])


def with_case(run: Run, strategy: str = "full") -> Rendering:
    folder = run.case_folder(f"tiny-{strategy}")
    found = rendering(strategy, folder)
    write_plain(folder / "rendering.json", found)
    return found


def test_a_run_is_named_by_its_time_and_machine(run: Run) -> None:
    """So that folders sort by time, and tell where they are from."""
    day, time, machine = run.id.split("-", 2)
    assert (len(day), len(time), machine) == (8, 6, MACHINE.id)
    assert run.folder.name == run.id


def test_a_run_reads_back_as_it_was_made(run: Run) -> None:
    """By its folder or by its file."""
    assert open_run(run.folder) == open_run(run.folder / "run.json") == run
    assert (run.machine, run.stack, run.command) == (MACHINE, STACK, "pytest -k nf4")


def test_a_run_knows_what_its_cases_were_held_to(tmp_path: Path, run: Run) -> None:
    """Bytes of each GPU; a run of an earlier version, which does not say, was not limited."""
    limited = create(tmp_path, MACHINE, STACK, "x", vram_limit=12 * 10**9)
    assert open_run(limited.folder).vram_limit == finish(limited).vram_limit == 12 * 10**9
    facts = json.loads((run.folder / "run.json").read_text())
    assert facts.pop("vram_limit") is None
    (run.folder / "run.json").write_text(json.dumps(facts))
    assert open_run(run.folder) == run


def test_two_runs_of_one_second_do_not_meet(tmp_path: Path) -> None:
    """The second gets a number."""
    ids = [create(tmp_path, MACHINE, STACK, "x").id for _ in range(3)]
    assert len(set(ids)) == 3


def test_a_run_is_unfinished_until_it_is_finished(run: Run) -> None:
    """On disk, too."""
    assert open_run(run.folder).finished is None
    done = finish(run)
    assert done.finished is not None
    assert open_run(run.folder) == done


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file stands where the folder of runs should be."""
    (tmp_path / "runs").touch()
    with pytest.raises(Refusal, match="cannot be made"):
        create(tmp_path / "runs", MACHINE, STACK, "x")


def test_renderings_are_found_by_their_case(run: Run) -> None:
    """In the order of their names; a folder that is no case is left out."""
    full, nf4 = with_case(run, "full"), with_case(run, "nf4")
    (run.folder / "cases" / "..odd").mkdir()
    (run.folder / "cases" / "tiny-begun").mkdir()
    assert run.renderings() == {"tiny-full": full, "tiny-nf4": nf4}
    assert list(run.renderings()) == ["tiny-full", "tiny-nf4"]
    assert run.rendered("tiny-full") == full
    assert run.rendered("tiny-begun") is None


def test_a_case_that_was_cut_short_tells_what_it_had(run: Run) -> None:
    """Its notes are read instead of the rendering that nobody wrote."""
    folder = run.case_folder("tiny-full")
    folder.mkdir()
    notebook = Notebook(folder / FILE)
    notebook.add(Note(of=CaseHeader("tiny", "full", "cpu", {})))
    notebook.add(Note(phase=DENOISE, durations=(Duration("load", 1.0),)))
    notebook.close()
    found = run.renderings()["tiny-full"]
    assert found.crash is not None
    assert (found.crash.kind, found.crash.phase) == ("interrupted", DENOISE)
    assert found.seconds("load") == 1.0


def test_a_case_in_whose_middle_the_run_was_cut_has_not_ended(run: Run) -> None:
    """A crash is an end, and so is an interruption of a run that came to its own."""
    with_case(run)
    for strategy, kind in (("nf4", CrashKind.OUT_OF_MEMORY), ("offload", CrashKind.INTERRUPTED)):
        put(run, replace(with_case(run, strategy), crash=Crash(kind, "why", DENOISE, ())))
    assert set(run.ended_cases()) == {"tiny-full", "tiny-nf4"}
    assert set(finish(run).ended_cases()) == set(run.rendered_cases())


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "x" * 200])
def test_a_name_that_leads_elsewhere_is_no_case(run: Run, name: str) -> None:
    """Names become paths only when they are names."""
    with pytest.raises(Refusal, match="name of a case"):
        run.case_folder(name)


def test_what_is_not_a_run_is_refused(tmp_path: Path) -> None:
    """A folder without facts, and one that is not there."""
    for path, why in ((tmp_path, "is not a run"), (tmp_path / "nothing", "does not exist")):
        with pytest.raises(Refusal, match=why):
            open_run(path)


def edited(path: Path, **changes: object) -> None:
    """Change some fields of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_run_of_a_newer_version_is_refused_by_its_number(run: Run) -> None:
    """Before any of its fields is looked at."""
    edited(run.folder / "run.json", schema=99, machine="a new kind of thing")
    with pytest.raises(Refusal, match=r"newer Fluxgate.* 99"):
        open_run(run.folder)


def test_a_rendering_of_a_newer_version_is_refused_too(run: Run) -> None:
    """Each file has its own number."""
    with_case(run)
    edited(run.case_folder("tiny-full") / "rendering.json", schema=99)
    with pytest.raises(Refusal, match="newer Fluxgate"):
        run.renderings()


def test_fields_that_are_not_known_do_not_matter(run: Run) -> None:
    """A run of a later version with the same schema may tell more."""
    edited(run.folder / "run.json", weather="fine")
    assert open_run(run.folder) == run


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "one"}', '{"schema": 1}', "\x00"])
def test_damaged_files_are_refused_by_name(run: Run, text: str) -> None:
    """One sentence that names the file."""
    with_case(run)
    path = run.case_folder("tiny-full") / "rendering.json"
    path.write_text(text)
    with pytest.raises(Refusal, match=r"rendering\.json is damaged"):
        run.renderings()
    (run.folder / "run.json").write_text(text)
    with pytest.raises(Refusal, match=r"run\.json is damaged"):
        open_run(run.folder)


@pytest.mark.parametrize("version", ["\0", "", "newest"])
def test_a_version_that_is_none_is_refused(run: Run, version: str) -> None:
    """With the package that has it, before anything compares it."""
    write_plain(run.folder / "run.json", replace(run.facts, stack={"torch": "1.0", "diffusers": version}))
    with pytest.raises(Refusal, match=r"run\.json is damaged: diffusers .* not a version"):
        open_run(run.folder)


def test_a_rendering_in_the_wrong_folder_is_refused(run: Run) -> None:
    """A copied folder does not become another case."""
    with_case(run)
    edited(run.case_folder("tiny-full") / "rendering.json", strategy="nf4")
    with pytest.raises(Refusal, match="its folder"):
        run.renderings()


def test_a_picture_that_leads_out_of_the_folder_is_refused(run: Run) -> None:
    """File names in a rendering are names."""
    found = with_case(run)
    path = run.case_folder("tiny-full") / "rendering.json"
    pictures = json.loads(path.read_text())["pictures"]
    pictures[0]["file"] = "../../secret.png"
    edited(path, pictures=pictures)
    assert found.pictures
    with pytest.raises(Refusal, match="which is no file name"):
        run.renderings()


def test_the_latest_run_is_the_one_started_last(tmp_path: Path) -> None:
    """By name; without any, one sentence."""
    with pytest.raises(Refusal, match="There is no run"):
        latest(tmp_path)
    made = [create(tmp_path, MACHINE, STACK, "x") for _ in range(2)]
    assert latest(tmp_path) == made[-1]


def test_values_are_kept_beside_the_facts(run: Run) -> None:
    """Verdicts, for one."""
    run.write_json("numbers.json", {"a": 1})
    assert run.read_json("numbers.json", dict[str, int]) == {"a": 1}


def test_the_commit_is_told_where_there_is_a_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a mark where the checkout had changes; None without git."""
    answers = {"rev-parse": "abc", "status": " M x"}
    monkeypatch.setattr(runs, "_git", lambda root, verb, *more: answers[verb])
    assert runs.commit() == "abc+changes"
    answers["status"] = ""
    assert runs.commit() == "abc"
    answers["rev-parse"] = ""
    assert runs.commit() is None


def test_no_git_is_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither without the program nor outside of a checkout is there an error."""
    assert runs._git(tmp_path, "rev-parse", "HEAD") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert runs._git(Path(), "rev-parse", "HEAD") is None
