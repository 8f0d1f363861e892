"""Tests of pins: files of them, what changes between two stacks, and changes as users write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.gate.environments.pins import Pins, fits, parse_changes, read_pins
from fluxgate.refusal import Refusal
from fluxgate.report.gate_result import Move

ROOT = Path(__file__).parents[3]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "lock.txt"
    path.write_text(text)
    return path


def test_the_shipped_constraints_are_pins() -> None:
    """requirements/known-good.txt can be the incumbent."""
    pins = read_pins(ROOT / "requirements/known-good.txt")
    assert pins.versions["diffusers"] == "0.42.1"
    assert pins.versions["typing-extensions"] == "4.16.0"


def test_a_lock_file_is_read_with_its_comments_hashes_markers_and_extras(tmp_path: Path) -> None:
    """What uv and pip-tools write around a pin is not part of it, and a marker that does not hold drops its line."""
    text = (
        "# made by uv pip compile\n\n"
        "Hugging_Face.Hub==2.4.0 \\\n"
        "    --hash=sha256:aa \\\n"
        "    --hash=sha256:bb\n"
        "    # via diffusers\n"
        "httpx[socks]==1.0  # pinned\n"
        'colorama==0.4 ; sys_platform == "win32"\n'
        'numpy==2.0.0 ; python_version >= "3"\n'
    )
    assert read_pins(written(tmp_path, text)).versions == {
        "httpx": "1.0",
        "hugging-face-hub": "2.4.0",
        "numpy": "2.0.0",
    }


@pytest.mark.parametrize(
    "line",
    [
        "torch>=2",
        "torch",
        "torch==2.*",
        "torch==2.0,!=2.1",
        "torch @ https://example.org/torch.whl",
        "-e .",
        "-r other.txt",
        "--index-url https://example.org/simple",
        "./wheels/torch-2.0-py3-none-any.whl",
        "torch==newest",
        "torch = 2.0",
    ],
)
def test_a_line_that_is_no_pin_is_refused_with_its_place(tmp_path: Path, line: str) -> None:
    """The sentence names the file, the line, and what is written there."""
    path = written(tmp_path, f"# a stack\nnumpy==2.0\n{line}\n")
    with pytest.raises(Refusal) as refusal:
        read_pins(path)
    assert str(refusal.value) == f"{path}, line 3: {line!r} is no pin; write name==version."


def test_a_package_that_is_pinned_to_two_versions_is_refused(tmp_path: Path) -> None:
    """Neither of the two is taken."""
    with pytest.raises(Refusal, match=r"line 2: torch is pinned to 2\.1, and before that to 2\.0"):
        read_pins(written(tmp_path, "torch==2.0\nTorch==2.1\n"))


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"torch==\xff\n"])
def test_a_file_without_pins_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty file, one of comments, and one that is no text."""
    path = tmp_path / "lock.txt"
    path.write_bytes(content)
    with pytest.raises(Refusal, match=r"lock\.txt"):
        read_pins(path)


@pytest.mark.parametrize(
    "installed, asked, expected",
    [
        ("1.0", "1.0.0", True),
        ("2.13.0+cpu", "2.13.0", True),
        ("2.13.0", "2.13.0+cpu", False),
        ("2.13.0+cpu", "2.13.0+cu130", False),
        ("1.0rc1", "1.0", False),
        ("1.0rc1", "1.0rc1", True),
        (None, None, True),
        (None, "1.0", False),
        ("2004d", "2004d", True),
    ],
)
def test_a_release_fits_what_was_asked_for(installed: str | None, asked: str | None, expected: bool) -> None:
    """A build counts where it was asked for by name, and only there."""
    assert fits(installed, asked) is expected


def test_moves_lead_from_one_stack_to_the_other() -> None:
    """What is new, what changes and what is gone; the rest does not move."""
    old = Pins.of({"torch": "2.13.0+cpu", "diffusers": "0.42.1", "httpx": "1.0"})
    new = Pins.of({"torch": "2.13.0", "diffusers": "0.43.0", "httpx2": "2.0"})
    moves = old.moves_to(new)
    assert moves == (
        Move("diffusers", "0.42.1", "0.43.0"),
        Move("httpx", "1.0", None),
        Move("httpx2", None, "2.0"),
    )
    assert old.moved(moves).versions == {"diffusers": "0.43.0", "httpx2": "2.0", "torch": "2.13.0+cpu"}
    assert [str(move) for move in moves] == ["diffusers 0.42.1 → 0.43.0", "httpx 1.0 (removed)", "httpx2 2.0 (new)"]


def test_changes_are_requirements() -> None:
    """A release, a range, or a name alone."""
    changes = parse_changes(["diffusers==0.43.0", "transformers>=5.23", "torch"])
    assert [str(change) for change in changes] == ["diffusers==0.43.0", "transformers>=5.23", "torch"]


@pytest.mark.parametrize(
    "texts, culprit",
    [
        (["diffusers=0.43"], "'diffusers=0.43' is no requirement"),
        ([""], "'' is no requirement"),
        (["--index-url=x"], "'--index-url=x' is no requirement"),
        (["torch @ https://example.org/torch.whl"], "names an address"),
        (['torch; python_version < "3"'], "does not apply to this Python"),
        (["torch==2.0", "Torch>=2"], "torch is asked for twice"),
    ],
)
def test_what_is_no_change_is_refused(texts: list[str], culprit: str) -> None:
    """The sentence names the argument."""
    with pytest.raises(Refusal) as refusal:
        parse_changes(texts)
    assert culprit in str(refusal.value)
