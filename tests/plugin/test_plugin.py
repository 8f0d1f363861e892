"""Tests of the plugin from outside: what a user types, what pytest prints, and its exit code."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fluxgate.judge.verdict import CHECKS, SPEED, STATUSES, Verdict
from fluxgate.machine import detect
from fluxgate.runs import run as runs
from fluxgate.strategies import STRATEGIES
from tests.devices import on_a_cpu
from tests.outside import BROKEN, CARD, NOWHERE, ROOT, Ended, pytest_on_the_suite, tiny
from tests.wording import unsaid


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def everyday(home: Path, environment: dict[str, str]) -> Ended:
    """One session that renders two cases and meets one that cannot be rendered on a CPU."""
    files = ("--junitxml=report.xml", "--benchmark-json=seconds.json", "--html=pages/report.html")
    arguments = ("--subject=tiny", "--strategy=full,model-offload", "--strategy", NOWHERE, *files)
    return pytest_on_the_suite(*arguments, "-k", "tiny", within=home, **environment)


# On a CPU nothing is rendered while something is judged, unless this says so.
EAGER = """
def pytest_configure(config):
    import fluxgate.plugin.ahead as ahead

    ahead.renders_ahead = lambda config: True
"""


def run_of(ended: Ended, home: Path) -> runs.Run:
    """The run that a session names in its summary."""
    named = re.search(r"^The run is in (\S+)$", ended.out, re.MULTILINE)
    assert named is not None, ended.out + ended.err
    return runs.open_run(home / named[1])


def verdicts_of(run: runs.Run) -> tuple[Verdict, ...]:
    return run.read_json(runs.VERDICTS, tuple[Verdict, ...])


def outcomes(ended: Ended) -> dict[str, int]:
    """`5 passed, 17 skipped` as numbers."""
    *_, last = ended.out.strip().splitlines()
    return {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", last.rpartition(" in ")[0])}


# A session that goes well


def test_a_good_session_is_green(everyday: Ended) -> None:
    """Two cases were rendered and all their promises kept; what cannot run here is one skip: exit code 0."""
    assert everyday.code == 0, everyday.out + everyday.err
    assert outcomes(everyday)["passed"] >= 6
    assert everyday.out.count("test_support.py") == 1


def test_the_report_is_a_page_too(everyday: Ended, home: Path) -> None:
    """Where it was asked for, with the run's whole pictures beside it; the session says where."""
    page = (home / "pages" / "report.html").read_text()
    assert "<bdi>tiny-model-offload</bdi>" in page
    assert list((home / "pages" / "report-pictures").glob("*.png"))
    assert "The page is pages/report.html" in everyday.out


@pytest.mark.parametrize(("page", "wrong"), [("file/report.html", "cannot be written"), (".", "is a folder")])
def test_a_page_that_cannot_be_written_is_refused_beforehand(
    page: str, wrong: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Whoever asks for a page waits for no session that gives none."""
    (tmp_path / "file").write_text("")
    found = pytest_on_the_suite("--subject=tiny", f"--html={page}", within=tmp_path, **environment)
    assert found.code == pytest.ExitCode.USAGE_ERROR
    assert wrong in found.err
    assert not (tmp_path / "runs").exists()


def test_a_page_that_can_no_longer_be_written_changes_no_exit_code(tmp_path: Path, environment: dict[str, str]) -> None:
    """The verdicts stand; one sentence says why there is no page."""
    (tmp_path / "late.py").write_text("import os\ndef pytest_collection_finish(): os.mkdir('report.html')\n")
    arguments = ("--subject=tiny", f"--strategy={NOWHERE}", "-k", "tiny", "-p", "late", "--html=report.html")
    found = pytest_on_the_suite(*arguments, within=tmp_path, **environment)
    assert found.code == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "report.html cannot be written: " in found.out


def test_a_session_tidies_up_after_itself(tmp_path: Path, environment: dict[str, str]) -> None:
    """No folder is left to Python's own end, which complains of it; nor in the folder for temporary files."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    strict = {**environment, "PYTHONWARNINGS": "error", "TMPDIR": str(temporary)}
    found = pytest_on_the_suite("--subject=tiny", "--collect-only", "-q", within=tmp_path, **strict)
    assert (found.code, found.err, list(temporary.iterdir())) == (0, "", [])


def test_the_header_tells_machine_and_stack(everyday: Ended) -> None:
    """Whoever reads a log knows what was tested."""
    machine = detect()
    assert f"machine: {machine.name}, torch {machine.torch}" in everyday.out
    assert re.search(r"^stack: diffusers \d.*, transformers \d.*accelerate \d", everyday.out, re.MULTILINE)


def test_progress_is_told_without_a_terminal(everyday: Ended) -> None:
    """A line for each shot appears in a log, too."""
    assert re.search(r"^ +tiny-model-offload: .*'fox' in \d", everyday.out, re.MULTILINE)


def test_the_summary_has_a_row_for_each_strategy_that_was_rendered(everyday: Ended) -> None:
    """It comes after the tests, begins with how much was gated, and says what cannot run here."""
    _, _, summary = everyday.out.partition(" Fluxgate ")
    assert re.findall(rf"^(full|model-offload|staged|{NOWHERE})\b", summary, re.MULTILINE) == ["full", "model-offload"]
    gated = rf"^2 of {len(STRATEGIES)} strategies and \d+ of \d+ checks gated: no failures\.$"
    assert re.search(gated, summary, re.MULTILINE)
    assert not unsaid(summary, f"{NOWHERE} cannot run here")


def test_every_cell_has_exactly_one_verdict(everyday: Ended, home: Path) -> None:
    """The run has a verdict for every strategy and check that applies, also of what was not asked about."""
    found = verdicts_of(run_of(everyday, home))
    cells = [(verdict.strategy, verdict.check) for verdict in found]
    assert len(cells) == len(set(cells))
    assert {strategy for strategy, _ in cells} == {strategy.name for strategy in STRATEGIES}
    assert {verdict.status for verdict in found} <= set(STATUSES)
    assert {verdict.strategy for verdict in found if verdict.status == "passed"} == {"full", "model-offload"}
    assert {verdict.status for verdict in found if verdict.strategy == "staged"} == {"not selected"}


def test_each_case_was_rendered_once(everyday: Ended, home: Path) -> None:
    """A reference is shared, and nothing that was not asked for is rendered."""
    run = run_of(everyday, home)
    assert set(run.renderings()) == {"tiny-full", "tiny-model-offload"}
    assert everyday.out.count("tiny-full: loaded") == 1
    assert run.finished is not None
    assert "--strategy=full,model-offload" in run.command


def test_junit_carries_the_numbers(everyday: Ended, home: Path) -> None:
    """A CI server sees each verdict's status, sentence and figures."""
    cases = ElementTree.parse(home / "report.xml").iter("testcase")
    told = {case.get("name"): {p.get("name"): p.get("value", "") for p in case.iter("property")} for case in cases}
    promise = told["test_keeps_its_promise[tiny-model-offload]"]
    assert promise["status"] == "passed"
    assert promise["sentence"]
    assert float(promise["ssim"]) == 1.0
    assert told["test_host_memory_stays_under_its_ceiling[tiny-full]"]["sentence"]


def test_pytest_benchmark_gets_the_workers_seconds(everyday: Ended, home: Path) -> None:
    """The rounds of the benchmark are the denoising steps as the worker measured them."""
    benchmarks = json.loads((home / "seconds.json").read_text())["benchmarks"]
    told = {one["param"]: one["stats"]["data"] for one in benchmarks}
    rendering = run_of(everyday, home).renderings()["tiny-full"]
    steps = [step for duration in rendering.durations for step in duration.steps]
    assert steps
    assert told["tiny-full"] == pytest.approx(steps)


# What a user may ask for


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--subject=teddy",), "--subject 'teddy' is unknown; choose from miniature, grown,"),
        (("--strategy=staggd",), "--strategy 'staggd' is unknown; did you mean 'staged'?"),
        (("--takes=0",), "--takes is '0'; it must be a whole number from 1 to 100."),
        (("--case-timeout=soon",), "--case-timeout is 'soon'; it must be a number of seconds above 0."),
        (("--no-baseline", "--require-baseline"), "--require-baseline and --no-baseline exclude each other."),
        (("--vram-limit=much",), "--vram-limit is 'much'; write it like '17 GB' or '512 MB'."),
        (("--vram-limit=30GB", "-p", "card"), "--vram-limit is 30.00 GB; the A card has 25.77 GB."),
        (("--at-once=all", "-n2"), "--at-once is 'all'; it must be a whole number from 1 to 64, or auto."),
        (("--at-once=3",), "--at-once=3 needs as many processes: add -n 3"),
        (("--subject=broken",), "broken is not ready: there is no folder"),
        (("--subject=tiny", "--subject=none", "-n2"), "--subject 'none' is unknown"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_is_rendered(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    """Exit code 4, one sentence with what there is, and no run."""
    environment = tiny(tmp_path, pipeline=tmp_path)
    (tmp_path / "card.py").write_text(CARD)
    catalogue = Path(environment["FLUXGATE_SUBJECTS"])
    catalogue.write_text(
        catalogue.read_text() + catalogue.read_text().replace("tiny", "broken").replace(str(tmp_path), "gone")
    )
    ended = pytest_on_the_suite(*arguments, within=tmp_path, **environment)
    assert (ended.code, ended.out) == (4, "")
    assert sentence in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "runs").exists()


@on_a_cpu
def test_a_limit_of_gpu_memory_needs_a_gpu(tmp_path: Path) -> None:
    """On a CPU it is refused rather than kept by chance."""
    ended = pytest_on_the_suite("--vram-limit=12GB", within=tmp_path)
    assert (ended.code, ended.out) == (4, "")
    assert not unsaid(ended.err, "--vram-limit 12GB", "GPU")


@on_a_cpu
def test_a_limit_of_gpu_memory_is_told_and_kept_in_the_run(tmp_path: Path, environment: dict[str, str]) -> None:
    """The header has it, and run.json; that it is kept to is seen on a GPU only, which here is nothing but claimed."""
    (tmp_path / "card.py").write_text(CARD)
    arguments = ("-p", "card", "--subject=tiny", "--strategy=full", "-k", "tiny", "--vram-limit=12GB")
    ended = pytest_on_the_suite(*arguments, within=tmp_path, **environment)
    assert not unsaid(ended.out, "vram limit: 12.00 GB of each GPU"), ended.out + ended.err
    assert not unsaid(ended.out, "held to 12.00 GB of each GPU")
    assert run_of(ended, tmp_path).vram_limit == 12 * 10**9


@on_a_cpu
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-m", "gpu"), "Nothing was rendered: -m 'gpu' asks for a GPU; none can be used here"),
        (("-k", "teddy"), "Nothing was rendered: the selection leaves no case"),
        ((f"--strategy={NOWHERE}", "-k", "tiny"), "Nothing was rendered: all that was selected is unsupported here"),
    ],
)
def test_a_session_that_renders_nothing_is_not_green(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Exit code 5, one sentence that says why, and no run."""
    ended = pytest_on_the_suite("--subject=tiny", *arguments, within=tmp_path, **environment)
    assert ended.code == 5, ended.out + ended.err
    assert sentence in ended.out
    assert not (tmp_path / "runs").exists()


@pytest.mark.long
@on_a_cpu
def test_a_library_that_passes_makes_no_session_green(tmp_path: Path, environment: dict[str, str]) -> None:
    """bitsandbytes' NF4 is asked of it alone, and says nothing of the cases, of which none can run here."""
    ended = pytest_on_the_suite("--subject=tiny", f"--strategy={NOWHERE}", within=tmp_path, **environment)
    assert ended.code == pytest.ExitCode.NO_TESTS_COLLECTED, ended.out + ended.err
    assert not unsaid(ended.out, "quantizes NF4 as published", "all that was selected is unsupported here")


def test_collecting_renders_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    """`--collect-only` lists a test for each strategy and check that applies, and is green."""
    arguments = ("--subject=tiny", "--strategy=full,nf4-linear", "--collect-only", "-q", "-k", "tiny")
    ended = pytest_on_the_suite(*arguments, within=tmp_path, **environment)
    assert ended.code == 0
    assert "test_pictures.py::test_keeps_its_promise[tiny-nf4-linear]" in ended.out
    assert "test_pictures.py::test_shows_what_the_prompt_asks[tiny-nf4-linear]" not in ended.out
    assert not (tmp_path / "runs").exists()


def test_a_family_can_be_chosen_by_its_mark(tmp_path: Path, environment: dict[str, str]) -> None:
    """`-m staging` selects the strategies of one file."""
    ended = pytest_on_the_suite(
        "--subject=tiny", "-m", "staging", "--collect-only", "-q", within=tmp_path, **environment
    )
    assert ended.code == 0
    assert "[tiny-staged]" in ended.out
    assert "[tiny-full]" not in ended.out


def test_the_tests_of_the_suite_are_another_matter(tmp_path: Path) -> None:
    """`pytest tests` renders nothing and says nothing about it."""
    ended = pytest_on_the_suite(str(ROOT / "tests/test_options.py"), within=tmp_path)
    assert ended.code == 0
    assert "Nothing was rendered" not in ended.out
    assert not (tmp_path / "runs").exists()


def test_a_faulty_list_of_known_failures_is_refused(tmp_path: Path, environment: dict[str, str]) -> None:
    """An entry about a strategy that does not exist would excuse nothing and be noticed by nobody."""
    (tmp_path / "known_failures.toml").write_text(
        '[[failure]]\nsubject = "*"\nstrategy = "nf5"\ncheck = "*"\nreason = "it is broken"\n'
        'upstream = ["https://example.org/1"]\nversions = ["diffusers<9"]\n'
        'since = 2026-01-01\nowner = "us"\nreview_by = 2027-01-01\n'
    )
    ended = pytest_on_the_suite("--subject=tiny", f"--baselines={tmp_path}", within=tmp_path, **environment)
    assert ended.code == 4
    assert "names the strategy 'nf5'" in ended.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [((), 4), (("-n2",), 4), pytest.param(("--no-baseline",), 0, marks=pytest.mark.long)],
)
def test_a_damaged_store_is_refused_before_anything_is_rendered(
    arguments: tuple[str, ...], code: int, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Accepted facts without their manifest: one sentence and no run; where nobody asks for them, they are not read."""
    folder = tmp_path / "store" / "portable" / "tiny"
    (folder / "facts").mkdir(parents=True)
    (folder / "facts" / "full.json").write_text("{}")
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  facts/full.json\n")
    asked = ("--subject=tiny", "--strategy=full", "-k", "tiny", f"--baselines={tmp_path / 'store'}", *arguments)
    ended = pytest_on_the_suite(*asked, within=tmp_path, **environment)
    assert ended.code == code, ended.out + ended.err
    assert (ended.out + ended.err).count("damaged or edited") == (1 if code else 0)
    assert (tmp_path / "runs").exists() == (code == 0)


# Sessions that go wrong


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> tuple[Ended, Path]:
    """A session with workers that raise and are killed, and a strategy that spoils the picture."""
    folder = tmp_path_factory.mktemp("troubled")
    (folder / "broken.py").write_text(BROKEN)
    arguments = ("-p", "broken", "--subject=tiny", "--strategy=full,raises,killed,redder", "-k", "tiny", "-n2")
    return pytest_on_the_suite(*arguments, within=folder, **environment), folder


@pytest.mark.long
def test_a_worker_that_dies_takes_nobody_with_it(troubled: tuple[Ended, Path]) -> None:
    """Each crash is told, the other cases are judged, and the session is red."""
    ended, folder = troubled
    assert ended.code == 1
    found = {(v.strategy, v.check): v for v in verdicts_of(run_of(ended, folder))}
    assert {found[name, CHECKS[0]].status for name in ("raises", "killed")} == {"crashed"}
    assert found["full", "renders the same twice"].status == "passed"
    assert "ValueError: the weights are" in found["raises", CHECKS[0]].sentence
    assert "SIGKILL" in found["killed", CHECKS[0]].sentence


def test_a_failure_is_told_in_its_own_sentence(troubled: tuple[Ended, Path]) -> None:
    """The verdict's sentence stands there, without a Python stack under it."""
    ended, _ = troubled
    assert ("tiny-redder" in ended.out and "is not like" in ended.out) or "differ" in ended.out
    assert "conftest.py" not in ended.out
    assert "Traceback" not in ended.err


@pytest.mark.long
def test_several_processes_share_one_run(troubled: tuple[Ended, Path]) -> None:
    """With -n, each case is rendered once, and all of them into the same folder."""
    ended, folder = troubled
    assert len(list((folder / "runs").iterdir())) == 1
    assert set(run_of(ended, folder).renderings()) == {"tiny-full", "tiny-raises", "tiny-killed", "tiny-redder"}


@pytest.mark.long
def test_cases_are_rendered_ahead_of_their_judge(tmp_path: Path, environment: dict[str, str]) -> None:
    """As on several GPUs: all are rendered once, by whichever process is free, and judged; one that dies does not
    matter."""
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "eager.py").write_text(EAGER)
    arguments = ("-p", "broken", "-p", "eager", "--subject=tiny", "--strategy=full,killed,model-offload", "-n2")
    ended = pytest_on_the_suite(*arguments, "-k", "tiny", within=tmp_path, **environment)
    assert ended.code == 1, ended.out + ended.err
    run = run_of(ended, tmp_path)
    assert set(run.renderings()) == {"tiny-full", "tiny-killed", "tiny-model-offload"}
    found = {(v.strategy, v.check): v.status for v in verdicts_of(run)}
    assert found["killed", CHECKS[0]] == "crashed"
    assert found["model-offload", "keeps its promise to its reference"] == "passed"


@pytest.mark.long
def test_processes_that_share_the_device_are_not_timed(tmp_path: Path, environment: dict[str, str]) -> None:
    """Two cases are rendered at once, as `-n auto` begins two processes for it; all but seconds is judged."""
    arguments = ("--subject=tiny", "--strategy=full,model-offload", "-n", "auto", "--at-once=2", "-k", "tiny")
    ended = pytest_on_the_suite(*arguments, within=tmp_path, **environment)
    assert ended.code == 0, ended.out + ended.err
    assert not unsaid(ended.out, "2 workers", "up to 2 cases share a device", "2 cases shared a device at once")
    run = run_of(ended, tmp_path)
    found = {(v.strategy, v.check): v.status for v in verdicts_of(run)}
    assert found["model-offload", "keeps its promise to its reference"] == "passed"
    assert (found["full", SPEED], found["model-offload", SPEED]) == ("no data", "no data")
    assert {one.at_once for one in run.renderings().values()} == {2}


@pytest.mark.long
def test_only_what_failed_is_asked_again(troubled: tuple[Ended, Path], environment: dict[str, str]) -> None:
    """`--lf` knows the tests by their names, from one session to the next; -x stops at the first."""
    _, folder = troubled
    arguments = ("-p", "broken", "--subject=tiny", "--strategy=full,raises,killed,redder", "--lf", "-x", "-k", "tiny")
    ended = pytest_on_the_suite(*arguments, within=folder, **environment)
    assert ended.code == 1
    assert "run-last-failure" in ended.out
    assert outcomes(ended)["failed"] == 1
    assert "tiny-full: loaded" not in ended.out or "tiny-redder" in ended.out


@pytest.mark.parametrize("ahead", [pytest.param((), marks=pytest.mark.long), ("-p", "eager")])
def test_ctrl_c_leaves_a_readable_run(ahead: tuple[str, ...], tmp_path: Path, environment: dict[str, str]) -> None:
    """What was rendered until then can be read, and the summary says where it is; also where a thread renders."""
    (tmp_path / "eager.py").write_text(EAGER)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    command += [str(ROOT / "suite"), "--subject=tiny", "-p", "no:cacheprovider", "-k", "tiny", *ahead]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    before = []
    for line in process.stdout:
        before.append(line)
        if "loaded in" in line and "tiny-full" not in line:
            break
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=120)
    assert process.returncode == 2, "".join(before) + rest
    run = run_of(Ended(2, rest, ""), tmp_path)
    assert run.renderings()["tiny-full"].crash is None
    assert "KeyboardInterrupt" in rest


# What a user's own tests may say

LIMITED = """
import pytest, sys, types

@pytest.fixture(autouse=True)
def card(monkeypatch, request):
    cuda = types.SimpleNamespace(is_available=lambda: {available}, peak=0)
    cuda.reset_peak_memory_stats = lambda: setattr(cuda, "peak", 0)
    cuda.max_memory_allocated = lambda: cuda.peak
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))
    return cuda

@pytest.mark.limit_vram("17 GB")
@pytest.mark.parametrize("peak", [16_999_999_999, 17_000_000_000, 17_000_000_001])
def test_limited(card, peak):
    card.peak = peak

@pytest.mark.limit_vram({amount})
def test_other(card):
    pass
"""


def test_a_test_can_be_limited_to_an_amount_of_gpu_memory(tmp_path: Path) -> None:
    """One byte more than the limit fails, in one sentence; the limit itself does not."""
    (tmp_path / "test_limited.py").write_text(LIMITED.format(available=True, amount="'much'"))
    ended = pytest_on_the_suite(str(tmp_path / "test_limited.py"), "-p", "conftest", within=tmp_path)
    assert outcomes(ended) == {"failed": 2, "passed": 2}, ended.out + ended.err
    assert not unsaid(ended.out, "limited to 17.00 GB", "allocated 17.00 GB", "1 B more")
    assert not unsaid(ended.out, "limit_vram is 'much'", "'17 GB'")


def test_a_limit_is_not_kept_where_it_is_not_measured(tmp_path: Path) -> None:
    """Without a GPU the test is skipped, not passed."""
    (tmp_path / "test_limited.py").write_text(LIMITED.format(available=False, amount="'1 GB'"))
    ended = pytest_on_the_suite(str(tmp_path / "test_limited.py"), "-p", "conftest", within=tmp_path)
    assert outcomes(ended) == {"skipped": 4}
