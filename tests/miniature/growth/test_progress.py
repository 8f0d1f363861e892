"""Tests of progress: every byte is reported once, and the bar fits a terminal and a log."""

import io
from pathlib import Path

import pytest

from fluxgate.miniature.growth.grown_folder import grow
from fluxgate.miniature.growth.progress import bar
from tests.miniature.growth.sizes import BIG


def test_every_byte_is_reported_once(small: Path, tmp_path: Path) -> None:
    """Progress climbs to exactly the bytes of all files."""
    seen: list[tuple[int, int]] = []
    manifest = grow(tmp_path / "grown", source=small, target=BIG, progress=lambda *now: seen.append(now))
    total = sum(entry.bytes for entry in manifest.files.values())
    assert seen[-1] == (total, total)
    assert seen == sorted(seen)


class Stream(io.StringIO):
    """A text stream that is or is not a terminal."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(("terminal", "lines", "returns"), [(True, 1, 1001), (False, 11, 0)])
def test_the_bar_fits_a_terminal_and_a_log(terminal: bool, lines: int, returns: int) -> None:
    """One line that is drawn over on a terminal, eleven short ones in a log, and both end at 100%."""
    stream = Stream(terminal=terminal)
    show = bar(stream)
    for done in range(0, 5_000_001, 500):
        show(done, 5_000_000)
    assert stream.getvalue().count("\n") == lines
    assert stream.getvalue().count("\r") == returns
    assert stream.getvalue().rstrip().endswith("100%  5.0 MB of 5.0 MB")
