"""Reading baselines: the accepted ones come back, everything else is refused in a sentence that names the file."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluxgate.baselines import baseline as baselines
from fluxgate.baselines import integrity, manifest
from fluxgate.baselines.baseline import AcceptedCase, Baseline
from fluxgate.baselines.store import Store
from fluxgate.compare.facts import facts_of
from fluxgate.files import write_plain
from fluxgate.pictures import read_png, write_png
from fluxgate.refusal import Refusal
from fluxgate.rendering import Fingerprint, Work
from fluxgate.runs.rendered import Rendered
from tests.runs.building import MACHINE, SHOTS, STACK, SUBJECT, contents, inventory, pixels, rendering


@pytest.fixture
def folder(own: Path) -> Path:
    return own / MACHINE.id / "tiny"


def found(store: Path, strategy: str = "full") -> Baseline:
    baseline = baselines.find(Store(store), MACHINE.id, "tiny", strategy)
    assert baseline is not None
    return baseline


def resealed(folder: Path, data: bytes) -> Path:
    """The facts with other bytes, under a manifest that agrees with them: not damage, but malice or a mistake."""
    (folder / "facts" / "full.json").write_bytes(data)
    manifest.seal(folder)
    return folder / "facts" / "full.json"


def test_what_was_never_accepted_is_not_there(accepted: Path, tmp_path: Path) -> None:
    """An unknown machine, subject or strategy, or no store at all, is None and no error."""
    assert baselines.find(Store(accepted), "other", "tiny", "full") is None
    assert baselines.find(Store(accepted), MACHINE.id, "other", "full") is None
    assert baselines.find(Store(accepted), MACHINE.id, "tiny", "other") is None
    assert baselines.find(Store(tmp_path / "nothing"), MACHINE.id, "tiny", "full") is None


@pytest.mark.parametrize("name", ["../x", "/etc", "a/b", "", ".hidden", "x" * 200, "a\0b"])
def test_a_name_never_becomes_a_path(accepted: Path, name: str) -> None:
    """What leaves the store, or hides in it, is refused."""
    for machine, subject, strategy in ((name, "tiny", "full"), (MACHINE.id, name, "full"), (MACHINE.id, "tiny", name)):
        with pytest.raises(Refusal, match="cannot name"):
            baselines.read_case(Store(accepted), machine, subject, strategy)


def test_a_changed_pixel_is_noticed(own: Path, folder: Path) -> None:
    """One pixel of a stored picture gives a sentence that names the picture."""
    baseline = found(own)
    accepted = baseline.case.shots[0].pictures[0]
    path = baseline.path_of(accepted)
    pixels = read_png(path)
    pixels[3, 4, 1] ^= 1
    write_png(path, pixels)
    with pytest.raises(Refusal, match="damaged or edited") as refused:
        baselines.read_picture(baseline, accepted)
    assert str(path) in str(refused.value)
    assert [sentence for sentence in integrity.damage_in(own) if str(path) in sentence]
    manifest.seal(folder)
    with pytest.raises(Refusal, match="does not show the accepted pixels"):
        baselines.read_picture(baseline, accepted)


def test_a_changed_byte_of_the_facts_is_noticed(own: Path, folder: Path) -> None:
    """One byte, even a space, gives a sentence that names the file."""
    path = folder / "facts" / "full.json"
    path.write_bytes(path.read_bytes().replace(b"  ", b" \t", 1))
    with pytest.raises(Refusal, match=r"facts/full\.json was damaged or edited"):
        found(own)


def test_missing_facts_are_no_missing_baseline(own: Path, folder: Path) -> None:
    """A facts file that was deleted is an error, and no invitation to record anew."""
    (folder / "facts" / "full.json").unlink()
    with pytest.raises(Refusal, match=r"full\.json is missing"):
        found(own)


def test_a_missing_manifest_is_noticed(own: Path, folder: Path) -> None:
    """Without its manifest a folder is not believed."""
    (folder / manifest.NAME).unlink()
    with pytest.raises(Refusal, match="SHA256SUMS is missing"):
        found(own)


GOOD = b'{"schema": 1}'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        GOOD,
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"schema": ' + b"1" * 3_000_000 + b"}",
        b'{"schema": 1e999}',
        b'{"schema": NaN}',
        b'{"subject": "' + b"x" * 1000,
    ],
    ids=["empty", "cut", "list", "null", "too little", "not utf-8", "deep", "huge number", "infinite", "nan", "open"],
)
def test_facts_that_are_none_are_refused(own: Path, folder: Path, data: bytes) -> None:
    """Even under a manifest that agrees, what is no facts file is refused by name."""
    path = resealed(folder, data)
    with pytest.raises(Refusal) as refused:
        found(own)
    assert str(path) in str(refused.value)
    assert len(str(refused.value)) < 500


def test_facts_too_large_are_not_read(own: Path, folder: Path) -> None:
    """A ten-megabyte number is refused by its size."""
    resealed(folder, b'{"schema": ' + b"1" * 10_000_000 + b"}")
    with pytest.raises(Refusal, match="at most"):
        found(own)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"subject": "other"}, "it is of tiny-torch1.0, other, full"),
        ({"strategy": "nf4"}, "it is of"),
        ({"machine": "portable"}, "it is of portable"),
        ({"schema": 2}, "its schema is 2"),
        ({"recipes": {"../x": "0"}}, "cannot be the name of a file"),
        ({"shots": (baselines.AcceptedShot("fox", 0, ()),)}, "no picture of fox 0"),
        (
            {"shots": (baselines.AcceptedShot("fox", 0, (baselines.AcceptedPicture("0", "../../run", "x"),)),)},
            "cannot be the name of a file",
        ),
    ],
)
def test_facts_that_lie_are_refused(own: Path, folder: Path, changes: dict[str, Any], said: str) -> None:
    """Facts of another case, of another schema, or with a path in a name are refused by name."""
    write_plain(folder / "facts" / "full.json", replace(found(own).case, **changes))
    manifest.seal(folder)
    with pytest.raises(Refusal, match=r"full\.json is damaged") as refused:
        found(own)
    assert said in str(refused.value)


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
SIZES = st.lists(st.integers(0, 2**62), max_size=4).map(tuple)
PICTURES = st.builds(baselines.AcceptedPicture, sha256=WORDS, file=NAMES.map("{}.png".format), because=WORDS)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
PRINTS = st.builds(Fingerprint, mean=FINITE, std=FINITE, low=FINITE, high=FINITE)
CASE = st.builds(
    AcceptedCase,
    subject=st.just("tiny"),
    strategy=st.just("full"),
    machine=st.just(MACHINE.id),
    recipes=st.dictionaries(NAMES, WORDS, max_size=3),
    shots=st.lists(
        st.builds(
            baselines.AcceptedShot,
            shot=NAMES,
            index=st.integers(0, 9),
            pictures=st.lists(PICTURES, min_size=1, max_size=2).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
    fingerprints=st.lists(PRINTS, max_size=2).map(tuple),
    inventory=st.none() | st.just(inventory()),
    peaks=st.dictionaries(NAMES, st.dictionaries(NAMES, SIZES, max_size=2), max_size=2),
    held_after=SIZES,
    seconds=st.dictionaries(NAMES, st.lists(FINITE, max_size=3).map(tuple), max_size=2),
    accepted=st.builds(baselines.Acceptance, stack=st.dictionaries(NAMES, WORDS, max_size=3)),
    schema=st.just(1),
)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=50, deadline=None)
@given(case=CASE)
def test_any_facts_survive_the_file(tmp_path_factory: pytest.TempPathFactory, case: AcceptedCase) -> None:
    """Whatever is accepted, in whatever words, is read back equal."""
    store = tmp_path_factory.mktemp("store")
    write_plain(store / MACHINE.id / "tiny" / "facts" / "full.json", case)
    manifest.seal(store / MACHINE.id / "tiny")
    assert found(store).case == case


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_facts_with_any_byte_changed_are_facts_or_refused(accepted: Path, place: int, byte: int) -> None:
    """Parsing changed facts never ends in anything but facts or a refusal."""
    data = bytearray((accepted / MACHINE.id / "tiny" / "facts" / "full.json").read_bytes())
    data[place % len(data)] = byte
    with suppress(Refusal):
        assert isinstance(baselines.parse_facts(bytes(data), name="full.json"), AcceptedCase)


def test_reading_changes_nothing(accepted: Path) -> None:
    """No reader writes to the store."""
    before = contents(accepted)
    baseline = found(accepted)
    for shot in baseline.case.shots:
        baselines.read_picture(baseline, shot.pictures[0])
    assert contents(accepted) == before


def test_the_schema_is_written(accepted: Path) -> None:
    """A later version can tell by what format it meets."""
    data = (accepted / MACHINE.id / "tiny" / "facts" / "full.json").read_bytes()
    assert msgspec.json.decode(data)["schema"] == baselines.SCHEMA


def test_what_was_accepted_compares_as_what_was_rendered(accepted: Path, tmp_path: Path) -> None:
    """Nothing that a comparison looks at is lost between a rendering and the facts that stand for it."""
    baseline = found(accepted)
    known: dict[str, Any] = {"draws": {"float32": (0.5,)}, "work": Work("fox", 4, ())}
    case = replace(baseline.case, levels={"fox": (1.0, 0.5)}, **known)
    rendered = Rendered(rendering("full", tmp_path), tmp_path)
    expected = replace(facts_of(rendered, stack=STACK), noise_levels={"fox": (1.0, 0.5)}, **known)
    assert baselines.accepted_facts(Baseline(case, baseline.folder)) == expected


def test_an_accepted_picture_is_read_when_it_is_compared(accepted: Path) -> None:
    """From its own file; of one that was not kept there is nothing to read."""
    baseline = found(accepted)
    shot = baseline.case.shots[0]
    (source,) = baselines.accepted_facts(baseline).pictures["fox", 0]
    assert (source.path, source.kept) == (baseline.path_of(shot.pictures[0]), True)
    assert (source.read() == pixels(0, shot="fox")).all()
    only_hash = replace(shot, pictures=(replace(shot.pictures[0], kept=False),))
    hashed = Baseline(replace(baseline.case, shots=(only_hash,)), baseline.folder)
    (source,) = baselines.accepted_facts(hashed).pictures["fox", 0]
    assert not source.kept
    with pytest.raises(Refusal, match="Only the hash"):
        source.read()


def test_an_accepted_shot_is_found_by_its_name_and_index(accepted: Path) -> None:
    """And holds its own pictures, not those of another index."""
    case = found(accepted).case
    second, third = case.shot_of("pair", 1), case.shot_of("pair", 2)
    assert second is not None
    assert third is not None
    assert (second.shot, second.index, third.index) == ("pair", 1, 2)
    assert second.holds(second.pictures[0].sha256)
    assert not second.holds(third.pictures[0].sha256)
    assert case.shot_of("fox", 1) is None


def test_a_folder_knows_its_strategies(accepted: Path) -> None:
    """By the facts that its manifest lists, pictures aside."""
    assert baselines.strategies_in(accepted / MACHINE.id / "tiny") == ("full", "nf4")


def test_a_shot_is_stale_once_its_recipe_is_another(accepted: Path) -> None:
    """Or once the subject has no such shot; the others stay good."""
    case = replace(found(accepted).case, recipes={"fox": SHOTS[0].recipe, "pair": "another", "gone": "old"})
    assert baselines.stale_shots(case, SUBJECT) == ("pair", "gone")
