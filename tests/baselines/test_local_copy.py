"""Tests of local copies: of a store elsewhere, only what is judged by is fetched, once, and checked each time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fluxgate.baselines.remote import Pointer, Remote
from fluxgate.refusal import Refusal
from tests.baselines.elsewhere import at_hand
from tests.runs.building import MACHINE, contents

pytestmark = pytest.mark.usefixtures("empty_cache")


def test_a_store_that_has_nothing_has_no_baseline(address: str) -> None:
    """As a folder that is not there."""
    assert not at_hand(address).exists()


def test_only_what_is_needed_is_fetched(published: Pointer, address: str, accepted: Path, tmp_path: Path) -> None:
    """Nothing of other subjects; of other machines of the kind their limits, and no picture; of other kinds nothing."""
    folder = tmp_path / "other"
    shutil.copytree(accepted / MACHINE.id / "tiny", folder / "tiny")
    shutil.copytree(accepted / MACHINE.id / "tiny", folder / "large")
    (folder / "tiny" / "limits.json").write_text("{}")
    pointer = Remote(address).publish("another-gpu", folder, over=published)
    Remote(address).publish("cpu-another", folder, over=pointer)
    own = at_hand(address)
    assert [path.name for path in own.iterdir()] == [MACHINE.id]
    assert set(contents(own.parent / "lent")) == {"another-gpu/tiny/limits.json", "another-gpu/tiny/SHA256SUMS"}


def test_what_is_in_the_cache_is_not_fetched_again(published: Pointer, address: str, tmp_path: Path) -> None:
    """The store may lose all but its pointer, and it goes on; without the cache it is refused."""
    before = contents(at_hand(address))
    shutil.rmtree(tmp_path / "elsewhere" / "objects")
    shutil.rmtree(tmp_path / "cache" / "baselines" / "copies")
    assert contents(at_hand(address)) == before
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(Refusal, match="is missing"):
        at_hand(address)


def test_a_damaged_cache_is_fetched_anew(published: Pointer, address: str, tmp_path: Path) -> None:
    """Whatever wrote into it, and into the copy that was put together."""
    before = contents(at_hand(address))
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file():
            path.write_bytes(b"something else")
    assert contents(at_hand(address)) == before
