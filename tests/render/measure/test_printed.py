"""Tests of what is written to standard output."""

from __future__ import annotations

import sys

import pytest

from fluxgate.render.measure.printed import writes_counted


def test_what_is_printed_is_counted_and_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    """What goes to the other stream is not."""
    with writes_counted() as output:
        print("a line", end="")
        print("progress", file=sys.stderr)
    print(" and more")
    assert (output.writes, capsys.readouterr().out) == (1, "a line and more\n")


def test_the_stream_is_put_back() -> None:
    """Unless somebody has put another in its place meanwhile, which is left there."""
    before = sys.stdout
    with writes_counted():
        assert sys.stdout is not before
    assert sys.stdout is before
    try:
        with writes_counted():
            sys.stdout = sys.stderr
        assert sys.stdout is sys.stderr
    finally:
        sys.stdout = before
