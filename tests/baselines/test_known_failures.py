"""The known failures: read with suspicion, held against the registries, the installed releases and the calendar."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxgate.baselines import known_failures
from fluxgate.baselines.known_failures import KnownFailure
from fluxgate.baselines.store import Store
from fluxgate.judge.verdict import CHECKS, EFFECT, PROMISE
from fluxgate.refusal import Refusal

TODAY = datetime.date(2026, 3, 1)
STACK = {"bitsandbytes": "0.50.2", "diffusers": "0.42.1"}
ENTRY = KnownFailure(
    subject="*",
    strategy="nf4-sequential-offload",
    check="*",
    reason="the hooks lose the quantization state",
    upstream=("https://example.org/1",),
    versions=("bitsandbytes<=0.50.2", "diffusers>=0.33"),
    since=datetime.date(2026, 1, 1),
    owner="somebody",
    review_by=datetime.date(2026, 3, 1),
    device="cuda",
)
NAMES = {"subjects": ("miniature",), "strategies": ("full", "nf4-sequential-offload"), "checks": CHECKS}


def changed(**changes: Any) -> KnownFailure:
    return replace(ENTRY, **changes)


def toml_of(entry: KnownFailure, **other: str) -> str:
    """The entry as a person would write it, with some fields written otherwise."""
    lines = {}
    for name, value in entry.__dict__.items():
        if isinstance(value, tuple):
            lines[name] = "[" + ", ".join(f'"{one}"' for one in value) + "]"
        elif value is not None:
            lines[name] = str(value) if isinstance(value, datetime.date) else f'"{value}"'
    return "[[failure]]\n" + "".join(f"{name} = {value}\n" for name, value in {**lines, **other}.items())


def written(folder: Path, text: str) -> Path:
    path = folder / known_failures.FILE
    path.write_text(text, encoding="utf-8")
    return path


def test_the_projects_own_entries_are_sound() -> None:
    """The file in the repository is read and names checks and nothing unknown."""
    path = Path(__file__).parents[2] / "baselines" / known_failures.FILE
    entries = known_failures.read(path)
    nf4 = {"nf4-sequential-offload", "nf4-group-offload", "nf4-t5-sequential-offload"}
    assert {entry.strategy for entry in entries} == nf4 | {"int8-model-offload"}
    strategies = [entry.strategy for entry in entries]
    known_failures.refuse_unknown_names(entries, subjects=("miniature", "grown"), strategies=strategies, checks=CHECKS)


def test_no_file_is_no_entries(tmp_path: Path) -> None:
    """A project without known failures needs no file."""
    assert known_failures.read(tmp_path / "absent.toml") == ()


def test_known_failures_of_both_are_in_force(tmp_path: Path) -> None:
    """An own entry replaces the shipped one for the same strategy, check and device."""
    for name, entries in (
        ("own", [changed(reason="ours"), changed(strategy="full")]),
        ("shipped", [ENTRY, changed(device="cpu")]),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / known_failures.FILE).write_text("".join(map(toml_of, entries)))
    found = known_failures.read_all(Store(tmp_path / "own", tmp_path / "shipped"))
    assert [(one.strategy, one.device, one.reason) for one in found] == [
        (ENTRY.strategy, "cuda", "ours"),
        ("full", "cuda", ENTRY.reason),
        (ENTRY.strategy, "cpu", ENTRY.reason),
    ]


def test_ones_own_entries_stand_where_the_configuration_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else among the baselines."""
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "baselines")
    assert known_failures.own_file(store) == tmp_path / "baselines" / known_failures.FILE
    (tmp_path / "ours.toml").write_text(toml_of(ENTRY))
    (tmp_path / "pyproject.toml").write_text('[tool.fluxgate]\nknown_failures = "ours.toml"\n')
    assert known_failures.own_file(store) == tmp_path / "ours.toml"
    assert known_failures.read_all(store) == (ENTRY,)


def test_an_entry_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """What a person wrote is what the judge sees."""
    assert known_failures.read(written(tmp_path, toml_of(ENTRY) + toml_of(changed(device=None)))) == (
        ENTRY,
        changed(device=None),
    )


WORDS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=20)
DATES = st.dates(datetime.date(2000, 1, 1), datetime.date(2090, 1, 1))


@given(words=st.tuples(WORDS, WORDS, WORDS, WORDS), dates=st.tuples(DATES, DATES), version=st.integers(0, 99))
def test_every_sound_entry_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory, words: tuple[str, ...], dates: tuple[datetime.date, ...], version: int
) -> None:
    """Any names, reason, dates and range are read as they were written."""
    strategy, subject, reason, owner = words
    entry = changed(
        strategy=strategy,
        subject=subject,
        reason=reason,
        owner=owner,
        since=min(dates),
        review_by=max(dates),
        versions=(f"torch<=2.{version}",),
    )
    assert known_failures.read(written(tmp_path_factory.mktemp("toml"), toml_of(entry))) == (entry,)


@pytest.mark.parametrize(
    "text, said",
    [
        ("[[failure]", "is not valid TOML"),
        ("failures = 1", "the key 'failures' is unknown; did you mean 'failure'?"),
        (toml_of(ENTRY, verison='"1"'), "failure 1: the key 'verison' is unknown; did you mean 'versions'?"),
        (toml_of(ENTRY) + toml_of(ENTRY, owner="3"), "failure 2: owner must be a string, not an integer"),
        (toml_of(ENTRY, since='"yesterday"'), "since must be a date"),
        (toml_of(ENTRY, reason='" "'), "reason must not be empty"),
        (toml_of(ENTRY, upstream='["ftp://x"]'), "upstream 1 must be an https:// address"),
        (toml_of(ENTRY, upstream="[]"), "upstream is empty"),
        (toml_of(ENTRY, device='"mps"'), "device is 'mps'; choose from cuda, cpu"),
        (toml_of(ENTRY, review_by="2020-01-01"), "lies before"),
        (toml_of(ENTRY, versions="[]"), "versions is empty"),
        (toml_of(ENTRY, versions='["bitsandbytes"]'), "names no range"),
        (toml_of(ENTRY, versions='["what is this"]'), "not a requirement"),
    ],
)
def test_a_faulty_file_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    """Each fault of the file gives a sentence that names the file and the fault."""
    path = written(tmp_path, text)
    with pytest.raises(Refusal) as refused:
        known_failures.read(path)
    assert str(path) in str(refused.value)
    assert said in str(refused.value)


def test_a_field_left_out_is_named(tmp_path: Path) -> None:
    """An entry without an owner is refused."""
    text = "".join(line for line in toml_of(ENTRY).splitlines(keepends=True) if not line.startswith("owner"))
    with pytest.raises(Refusal, match="owner"):
        known_failures.read(written(tmp_path, text))


@pytest.mark.parametrize(
    "change, said",
    [
        ({"subject": "minature"}, "the subject 'minature', which does not exist; did you mean 'miniature'?"),
        ({"strategy": "nf5"}, "the strategy 'nf5', which does not exist; choose from full, nf4-sequential-offload."),
        ({"strategy": "*"}, "the strategy '*'"),
        ({"check": "is pretty"}, "the check 'is pretty'"),
    ],
)
def test_what_does_not_exist_is_refused(change: dict[str, str], said: str) -> None:
    """An entry may only name what there is, and the refusal says what that is."""
    with pytest.raises(Refusal, match="does not exist") as refused:
        known_failures.refuse_unknown_names([changed(**change)], **NAMES)
    assert said in str(refused.value)


def test_an_entry_twice_is_refused() -> None:
    """Two entries for one cell would hide each other."""
    with pytest.raises(Refusal, match="twice"):
        known_failures.refuse_unknown_names([ENTRY, changed(reason="another")], **NAMES)
    known_failures.refuse_unknown_names([ENTRY, changed(device="cpu")], **NAMES)


CELL = ("miniature", "nf4-sequential-offload", PROMISE)


def test_a_cell_in_range_is_expected_to_fail() -> None:
    """Subject and check may be any; strategy, device and every version must match."""
    assert known_failures.expected([ENTRY], CELL, device="cuda", stack=STACK) is ENTRY


@pytest.mark.parametrize(
    "cell, device, stack",
    [
        (("miniature", "nf4", PROMISE), "cuda", STACK),
        (CELL, "cpu", STACK),
        (CELL, "cuda", {**STACK, "bitsandbytes": "0.50.3"}),
        (CELL, "cuda", {**STACK, "diffusers": "0.32.2"}),
    ],
)
def test_nothing_else_is_expected_to_fail(cell: tuple[str, str, str], device: str, stack: dict[str, str]) -> None:
    """Another strategy, device or release is not excused."""
    assert known_failures.expected([ENTRY], cell, device=device, stack=stack) is None


def test_an_entry_for_one_check_excuses_no_other() -> None:
    """A failing effect does not excuse a broken promise."""
    entry = changed(check=EFFECT)
    assert known_failures.expected([entry], CELL, device="cuda", stack=STACK) is None
    assert known_failures.expected([entry], (*CELL[:2], EFFECT), device="cuda", stack=STACK) is entry


def test_development_releases_and_local_builds_are_in_range() -> None:
    """0.50.3.dev0 comes after 0.50.2, and 2.11.0+cu130 is 2.11.0."""
    assert changed(versions=("bitsandbytes<=0.50.2",)).outside({"bitsandbytes": "0.50.3.dev0"}) != ()
    assert changed(versions=("torch<=2.11.0",)).outside({"torch": "2.11.0+cu130"}) == ()
    assert changed(versions=("torch>=2.10",)).outside({"torch": "2.11.0.dev20260101"}) == ()


@pytest.mark.parametrize("name", ["huggingface-hub", "Huggingface_Hub", "huggingface.hub"])
def test_a_package_is_itself_however_its_name_is_written(name: str) -> None:
    """Else the entry would never be out of its range, and hold for every release to come."""
    entry = changed(versions=(f"{name}<2",))
    assert entry.outside({"huggingface_hub": "2.1.0"}) == ("huggingface_hub 2.1.0",)
    assert entry.outside({"huggingface_hub": "1.9.0"}) == ()


@pytest.mark.parametrize("name", ["difusers", "scipy"])
def test_a_package_whose_release_nobody_knows_is_refused(tmp_path: Path, name: str) -> None:
    """It would never be out of its range either."""
    path = written(tmp_path, toml_of(ENTRY, versions=f'["{name}<2"]'))
    with pytest.raises(Refusal, match=rf"'{name}<2'; (did you mean 'diffusers'|choose from diffusers)"):
        known_failures.read(path)


def test_an_absent_package_has_left_no_range() -> None:
    """Where bitsandbytes is not installed, its cases are unsupported, and no entry is out of its range."""
    assert known_failures.complaints([ENTRY], device="cuda", stack={}, today=TODAY) == ()


def test_entries_are_in_order_until_their_last_day() -> None:
    """On the review date itself nothing is due yet; a day later it is."""
    assert known_failures.complaints([ENTRY], device="cuda", stack=STACK, today=ENTRY.review_by) == ()
    late = known_failures.complaints(
        [ENTRY], device="cuda", stack=STACK, today=ENTRY.review_by + datetime.timedelta(days=1)
    )
    assert len(late) == 1
    assert "2026-03-01 (somebody)" in late[0]


def test_a_release_outside_of_the_range_is_told() -> None:
    """A newer bitsandbytes asks for the case to be run and the entry to be moved or removed."""
    (told,) = known_failures.complaints([ENTRY], device="cuda", stack={"bitsandbytes": "0.51.0"}, today=TODAY)
    assert "bitsandbytes 0.51.0 is installed" in told
    assert known_failures.complaints([ENTRY], device="cpu", stack={"bitsandbytes": "0.51.0"}, today=TODAY) == ()
    both = [changed(device="cpu"), ENTRY]
    assert known_failures.complaints(both, device="cuda", stack={"bitsandbytes": "0.51.0"}, today=TODAY) == (told,)


def test_an_unreadable_version_is_refused() -> None:
    """A package that calls its version 'unknown' gives a sentence."""
    with pytest.raises(Refusal, match="'unknown'"):
        known_failures.complaints([ENTRY], device="cuda", stack={"bitsandbytes": "unknown"}, today=TODAY)
