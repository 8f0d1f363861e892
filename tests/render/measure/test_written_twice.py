"""Tests of files that hold what another one holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.render.measure.written_twice import LOOKED_AT, hundredths_twice


@pytest.mark.parametrize(
    ("contents", "hundredths"),
    [((), 0), ((b"",), 0), ((b"abcd", b"abce"), 0), ((b"abcd", b"abcd"), 50), ((b"ab", b"ab", b"abcdef"), 20)],
)
def test_what_is_there_twice_is_a_part_of_all_bytes(
    tmp_path: Path, contents: tuple[bytes, ...], hundredths: int
) -> None:
    """Of two files that are the same, one is once too often."""
    files = [tmp_path / str(number) for number in range(len(contents))]
    for path, content in zip(files, contents, strict=True):
        path.write_bytes(content)
    assert hundredths_twice(files) == hundredths


def test_files_that_differ_in_the_last_byte_are_two(tmp_path: Path) -> None:
    """Large ones are looked at from both ends."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(bytes(2 * LOOKED_AT) + b"1")
    other.write_bytes(bytes(2 * LOOKED_AT) + b"2")
    assert hundredths_twice([one, other]) == 0
