"""Tests of files of pins: what pip freeze, pip-compile and uv write, and what may stand beside the pins."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.gate.environments.pin_files import flattened, is_file, read_pin_file, read_pins
from fluxgate.refusal import Refusal

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
        "\ufeff# made by uv pip compile, saved by an editor that marks its files\n\n"
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
        "torch==2.0; os_name ~= 'x'",
        "torch==2.0; 'docs' in dependency_groups",
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
    with pytest.raises(Refusal, match=r"line 2: torch.* 2\.1.* 2\.0"):
        read_pins(written(tmp_path, "torch==2.0\nTorch==2.1\n"))


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"torch==\xff\n"])
def test_a_file_without_pins_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty file, one of comments, and one that is no text."""
    path = tmp_path / "lock.txt"
    path.write_bytes(content)
    with pytest.raises(Refusal, match=r"lock\.txt"):
        read_pins(path)


FROZEN = """
# Editable install with no version control (service==0.1.0)
-e /srv/service
accelerate==1.15.0
diffusers @ git+https://github.com/huggingface/diffusers@0a1b2c3
"""


def test_what_pip_freezes_is_read(tmp_path: Path) -> None:
    """A checkout, and a package that comes from an address, are told apart from releases."""
    file = read_pin_file(written(tmp_path, FROZEN))
    assert (dict(file.pins.versions), file.editable) == ({"accelerate": "1.15.0"}, True)
    assert file.elsewhere == {"diffusers": "git+https://github.com/huggingface/diffusers@0a1b2c3"}


def test_a_file_that_names_others_is_read_with_them(tmp_path: Path) -> None:
    """As seen from its own folder; constraints decide nothing where everything is pinned."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more/base.txt").write_text("torch==2.13.0\n-r deeper.in\n--find-links=wheels\n--pre\n")
    (tmp_path / "more/deeper.in").write_text("numpy==2.4.6 \\\n  --hash=sha256:aa\n")
    (tmp_path / "more/wheels").mkdir()
    path = written(tmp_path, "-r more/base.txt\n-c constraints.txt\ndiffusers==0.42.1\n")
    assert read_pin_file(path).pins.versions == {"diffusers": "0.42.1", "numpy": "2.4.6", "torch": "2.13.0"}
    alone = tmp_path / "elsewhere" / "lock.txt"
    alone.parent.mkdir()
    alone.write_text(flattened(path))
    assert read_pin_file(alone) == read_pin_file(path)


@pytest.mark.parametrize("line", ["-r nowhere.txt", "-rnowhere.txt", "--requirement=nowhere.txt"])
def test_a_named_file_that_is_missing_is_refused(tmp_path: Path, line: str) -> None:
    """With the place that names it."""
    with pytest.raises(Refusal, match=r"lock\.txt, line 1: 'nowhere\.txt' is missing"):
        read_pin_file(written(tmp_path, line))


def test_a_file_that_names_itself_is_refused(tmp_path: Path) -> None:
    """By way of another one, too."""
    (tmp_path / "other.txt").write_text("-r lock.txt\n")
    with pytest.raises(Refusal, match="names itself"):
        read_pin_file(written(tmp_path, "-r other.txt\n"))


def test_where_packages_are_looked_for_is_read(tmp_path: Path) -> None:
    """Folders as seen from the file."""
    (tmp_path / "wheels").mkdir()
    options = "--extra-index-url https://example.org/simple\n--find-links=wheels\n--pre\n-i https://a.org\n"
    assert read_pin_file(written(tmp_path, f"{options}torch==2.13.0+cpu\n")).sources == (
        "--extra-index-url",
        "https://example.org/simple",
        "--find-links",
        str(tmp_path / "wheels"),
        "--pre",
        "-i",
        "https://a.org",
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-i https://${GITHUB_TOKEN}@example.org", "with a variable in it"),
        ("-r ../secrets.txt", "is not below"),
        ("-r /etc/passwd", "is not below"),
    ],
)
def test_a_strangers_file_leads_to_no_secret(
    tmp_path: Path, line: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither out of its folder, nor out of the environment into an address."""
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    (tmp_path / "secrets.txt").write_text("secret\n")
    (tmp_path / "locks").mkdir()
    with pytest.raises(Refusal, match=words) as refusal:
        read_pin_file(written(tmp_path / "locks", f"{line}\nnumpy==2.0\n"))
    assert "secret" not in str(refusal.value).replace("secrets.txt", "")


@pytest.mark.parametrize("line", ["torch>=2", "torch", "./torch-2.0-py3-none-any.whl", "--index-url", "--whatever"])
def test_what_pins_nothing_is_refused_beside_all_of_that(tmp_path: Path, line: str) -> None:
    """A range, a name, a path, and an option that is none or lacks its value."""
    with pytest.raises(Refusal, match=r"line 2: .* is no pin"):
        read_pin_file(written(tmp_path, f"-e .\n{line}\n"))


def test_a_users_file_is_told_from_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its ending, or since it is there: a file that is missing must not be looked for in an index."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pins").touch()
    texts = ["old.txt", "uv.lock", "requirements.in", "pylock.toml", "pins", "torch", "torch==2.1", "a @ file:///b.txt"]
    assert [is_file(text) for text in texts] == [True] * 5 + [False] * 3
