"""Tests of the page as a file: what it holds, what it allows, how large it is and how long it takes."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import re
import shutil
import time
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fluxgate.cases import Case
from fluxgate.judge.verdict import CHECKS, FAILED, PASSED, UNSUPPORTED, Verdict
from fluxgate.machine import Stack
from fluxgate.pictures import Pixels, hash_of
from fluxgate.refusal import Refusal
from fluxgate.rendering import RENDERING, Crash, Picture
from fluxgate.report.html.page import HERE, page_of
from fluxgate.report.html.sides import Sides, sides_of_run
from fluxgate.report.report import compile_report
from fluxgate.runs import run as runs
from fluxgate.runs.plan import FILE as PLAN
from fluxgate.runs.plan import plan_of
from fluxgate.runs.run import CASES, FACTS, VERDICTS, Run
from fluxgate.subjects.subject import Shot, Subject
from tests.report.html import made
from tests.report.html.conftest import Show
from tests.report.made import RUN, of_case, report, settings
from tests.runs import building
from tests.slowness import slowness
from tests.test_fuzz import TRIES, hold

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    "x" * 1_000_000,
)


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    handle_startendtag = handle_starttag


def policy(page: str) -> dict[str, list[str]]:
    """What the page allows, by kind."""
    (found,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    return {kind: words for kind, *words in (part.split() for part in found.replace("&#39;", "'").split(";"))}


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.fixture(scope="module")
def page(file: Path) -> str:
    return file.read_text()


def test_only_its_own_style_and_script_run(page: str) -> None:
    """Each by its hash; pictures come from the page and from beside it, and nothing else is fetched."""
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert policy(page) == {
        "default-src": ["'none'"],
        "img-src": ["data:", "'self'"],
        "style-src": [digest(style)],
        "script-src": [digest(script)],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }


def test_nothing_in_it_needs_more_than_the_policy_allows(page: str) -> None:
    """No attribute is a style or a handler, and every address leads into the page or beside it."""
    elements = Elements(page).found
    names = {name for _, attributes in elements for name in attributes}
    assert {name for name in names if name == "style" or name.startswith("on")} == set()
    links = {attributes.get("href") or attributes.get("src") or "" for _, attributes in elements} - {""}
    assert [link for link in links if not re.match(r"#|data:image/|report-pictures/[0-9a-f]{20}\.png$", link)] == []


def test_our_script_is_small() -> None:
    """At most 15 kB."""
    assert (HERE / "page.js").stat().st_size <= 15_000


def test_every_id_is_there_once_and_every_link_leads_to_one(page: str) -> None:
    """Of cases, pictures and marks."""
    elements = Elements(page).found
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = {str(attributes.get("href"))[1:] for _, attributes in elements if str(attributes.get("href"))[:1] == "#"}
    assert wanted - set(ids) == set()


def test_no_word_of_it_is_left_to_be_filled_in(page: str) -> None:
    """What a column shows names the memory that it is of."""
    assert (
        re.findall(r"[^\s\"]*\{\w+\}", page.partition("<body>")[2].partition('<script type="application/json"')[0])
        == []
    )


def test_whole_pictures_lie_beside_it(run: Run, file: Path) -> None:
    """Each once, the very files of the run."""
    beside = sorted((file.parent / "report-pictures").iterdir())
    rendered = {path.read_bytes() for path in run.folder.glob("cases/*/*.png")}
    assert {path.read_bytes() for path in beside} == rendered
    assert len(beside) == len(rendered)


def test_a_page_can_be_written_over_an_older_one(run: Run, tmp_path: Path) -> None:
    """It comes out the same; pictures that only the older one had go, and what is not ours stays."""
    first, beside = made.page(run, tmp_path / "report.html"), tmp_path / "report-pictures"
    pictures = sorted(beside.iterdir())
    for name in (f"{'0' * 20}.png", "mine.png"):
        (beside / name).write_bytes(b"")
    assert made.page(run, tmp_path / "report.html") == first
    assert sorted(beside.iterdir()) == sorted([*pictures, beside / "mine.png"])


def test_a_place_that_cannot_be_written_is_refused(run: Run, tmp_path: Path) -> None:
    """In a sentence."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Refusal, match="cannot be written"):
        made.page(run, tmp_path / "file" / "report.html")


def test_no_half_picture_is_left_beside_it(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another disk than the run's pictures are copied; where that one is full, the next page has them whole."""

    def elsewhere(place: object, target: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.link", elsewhere)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(Refusal, match="No space left on device"):
            made.page(run, tmp_path / "report.html")
    assert list((tmp_path / "report-pictures").iterdir()) == []
    made.page(run, tmp_path / "report.html")
    test_whole_pictures_lie_beside_it(run, tmp_path / "report.html")


def test_a_session_that_rendered_nothing_has_a_page() -> None:
    """It says why."""
    told = report(of_case("full", UNSUPPORTED, "A GPU is needed."), run=None)
    text = page_of(told, Sides(), (), beside="x").text.decode()
    assert "Nothing was measured" in text
    assert "A GPU is needed" in text
    assert "nothing moved" not in text


def test_other_libraries_than_the_accepted_ones_are_named() -> None:
    """With both versions; where they are the same, that is said."""

    def of(accepted: Stack) -> str:
        return page_of(report(of_case("full", PASSED)), Sides(), (), beside="x", accepted=accepted).text.decode()

    assert "<li>diffusers 0.40.0 → <b>0.42.1</b></li>" in of({**building.STACK, "diffusers": "0.40.0"})
    assert "All libraries have the accepted versions." in of(building.STACK)


def test_published_settings_are_on_it() -> None:
    """As in every other report."""
    told = report(of_case("full", PASSED), settings=(settings(),))
    text = page_of(told, Sides(), (), beside="x").text.decode()
    assert settings().sentence in text
    assert all(f'<th scope="row">{one.setting}</th>' in text for one in settings().changes)


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: repr(text[:12]))
def test_what_strangers_wrote_stays_text(hostile: str, tmp_path: Path) -> None:
    """Names, sentences, prompts, warnings, last words, logs, commands and paths make no element and no attribute."""
    texts = []
    for number, word in enumerate((re.sub(r"\S", "x", hostile), hostile)):
        run = made.judged_run(tmp_path / str(number))
        rendering = run.rendered("tiny-offload")
        assert rendering is not None
        crash = Crash("exception", word, word, (word,))
        building.put(run, replace(rendering, warnings=(word,), crash=crash))
        (run.case_folder("tiny-offload") / "log.txt").write_text(word)
        texts.append(_hostile_page(run, word))
    (plain, odd) = (Elements(text) for text in texts)
    assert [(tag, sorted(names)) for tag, names in odd.found] == [(tag, sorted(names)) for tag, names in plain.found]
    assert len(texts[1]) < 500_000
    assert not set(texts[1]) & {"\x1b", "\u202e"}


def _hostile_page(run: Run, word: str) -> str:
    """The page of a run whose every text is this one."""
    verdicts = [
        *(Verdict("tiny", "offload", check, FAILED, f"{word}\n{word}", stage=word) for check in CHECKS),
        *of_case(word, PASSED, word),
        *of_case("nf4", UNSUPPORTED, word),
    ]
    shots = tuple(replace(shot, prompts=(word,) * len(shot.prompts)) for shot in building.SHOTS)
    subject = replace(building.SUBJECT, about=word, shots=shots)
    strategy = replace(building.OFFLOAD, about=word, family=word)
    case = Case(subject, strategy, "cuda")
    told = compile_report(
        made.reported(run, folder=word, command=word, commit=word),
        verdicts,
        [case],
        machine=replace(building.MACHINE, name=word),
        stack={"diffusers": word},
    )
    return page_of(told, sides_of_run(run, [case]), [case], beside="report-pictures").text.decode()


def test_no_name_ends_the_block_of_data(tmp_path: Path) -> None:
    """The script reads it as JSON."""
    run = made.judged_run(tmp_path)
    told = compile_report(
        made.reported(run, id="</script>"), of_case("full", PASSED), (), machine=building.MACHINE, stack={}
    )
    text = page_of(told, replace(sides_of_run(run, ()), run_id="</script>"), (), beside="x").text.decode()
    (block,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert json.loads(block)["run"] == "</script>"


@pytest.mark.parametrize("name", [FACTS, VERDICTS, f"{CASES}/tiny-offload/{RENDERING}"])
def test_a_damaged_run_has_a_page_or_is_refused(run: Run, name: str, tmp_path: Path) -> None:
    """Some value of one of its files is another one, or its text is cut."""
    folder = Path(shutil.copytree(run.folder, tmp_path / run.folder.name))
    damaged = Run(folder, run.facts)
    hold(folder / name, lambda: made.page(damaged, tmp_path / "report.html"), tries=TRIES // 3)


# Two hundred cases

SHOTS = tuple(Shot(name, ("A prompt of some words, as they are.",), seed=1) for name in "abcdefgh")


def scene(number: int) -> Pixels:
    """A picture of 256×256 that compresses like a drawn one: soft slopes, edges and a little grain."""
    rng = np.random.default_rng(number)
    rows, columns = np.mgrid[0:256, 0:256].astype(np.float32)
    slopes = np.stack([rows * f + columns * g for f, g in rng.uniform(-0.4, 0.4, (3, 2))], axis=2)
    for x, y, size in rng.uniform(20, 236, (12, 3)):
        slopes[(rows - x) ** 2 + (columns - y) ** 2 < (size / 8) ** 2] += rng.uniform(-120, 120, 3)
    return np.clip(128 + slopes + rng.normal(0, 2, slopes.shape), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Large:
    """A page of 200 cases, and the seconds that it took to write."""

    file: Path
    seconds: float  # of a processor as fast as the one that the limit was set on


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Large:
    """Of cases with eight pictures each; every other one has pictures of its own."""
    run = runs.create(tmp_path_factory.mktemp("runs"), building.MACHINE, building.STACK, "by hand")
    subject = Subject("tiny", "a tiny pipeline", "package:tiny", SHOTS)
    scenes = [scene(number) for number in range(len(SHOTS))]
    names = ["full", *(f"strategy-with-a-long-name-{number}" for number in range(1, 200))]
    cases, verdicts = [], []
    for number, name in enumerate(names):
        promise = {"approximates" if number % 2 else "reproduces": "full"} if number else {}
        cases.append(Case(subject, building.strategy(name, **promise), "cuda"))
        _put(run, name, [np.roll(pixels, number, axis=0) if number % 2 else pixels for pixels in scenes])
        verdicts += of_case(name, PASSED, "Shot 'a' is 0.962 like full; the floor is 0.941 (measured, n=40, h100).")
        verdicts[-10] = replace(verdicts[-10], status=FAILED if number % 9 == 1 else PASSED)
    run.write_json(PLAN, plan_of(cases, asked={case.id for case in cases}))
    run.write_json(VERDICTS, tuple(verdicts))
    file, slow, began = tmp_path_factory.mktemp("page") / "report.html", slowness(), time.process_time()
    made.page(run, file)
    return Large(file, (time.process_time() - began) / max(slow, slowness()))


def _put(run: Run, name: str, drawn: list[Pixels]) -> None:
    """A case with these pictures and all the facts that a real one has."""
    folder = run.case_folder(f"tiny-{name}")
    facts, found = building.rendering(name, folder), []
    for shot, pixels in zip(SHOTS, drawn, strict=True):
        Image.fromarray(pixels).save(folder / f"{shot.name}.png", compress_level=1)
        found.append(Picture(shot.name, 0, 0, f"{shot.name}.png", hash_of(pixels), 256, 256, "RGB"))
    (folder / "log.txt").write_text("a line of its log, as long as they are\n" * 500)
    building.put(run, replace(facts, pictures=tuple(found), recipes={shot.name: shot.recipe for shot in SHOTS}))


@pytest.mark.long
def test_two_hundred_cases_take_twenty_megabytes_and_ten_seconds(large: Large) -> None:
    """Seconds of the processor: others may want it, too."""
    assert large.file.stat().st_size <= 20e6
    assert large.seconds <= 10
    assert large.file.read_text().count('<details class="case ') == 200


def test_a_page_of_two_hundred_cases_is_quick_to_use(large: Large, show: Show) -> None:
    """Filtering, sorting and going to the next case are answered at once."""
    took = show(large.file).page.evaluate(
        """() => {
            const began = performance.now();
            document.querySelector("[data-show=failed]").click();
            document.querySelector("[data-show=all]").click();
            [...document.querySelectorAll("[data-sort]")].at(-1).click();
            document.querySelector("[data-do=next]").click();
            document.body.getBoundingClientRect();
            return performance.now() - began;
        }"""
    )
    assert took < 2000 * slowness()  # milliseconds, where others want the processor, too


def test_the_page_says_how_many_cases_shared_the_device() -> None:
    """Beside the machine; nothing where each had it to itself."""
    alone, shared = (
        page_of(
            report(of_case("full", PASSED), run=replace(RUN, at_once=number)), Sides(), (), beside="x"
        ).text.decode()
        for number in (1, 4)
    )
    assert ("up to 4 cases at once" in shared, "at once" in alone) == (True, False)
