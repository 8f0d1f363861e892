"""Tests of [tool.fluxgate]: what it may say, where it is looked for, and how a fault in it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.configuration import Configuration, configuration_at, default_folder, keys
from fluxgate.refusal import Refusal


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Somebody's repository, whose files exist."""
    for name in ("subjects.toml", "failures.toml"):
        (tmp_path / name).write_text("")
    return tmp_path


def written(repository: Path, text: str) -> Path:
    (repository / "pyproject.toml").write_text(text)
    return repository


def test_everything_that_it_may_say_is_read(repository: Path) -> None:
    """Files are meant from where it lies; one text stands for a list of one."""
    written(
        repository,
        """
[tool.fluxgate]
subjects = "subjects.toml"
subject = ["ours", "theirs"]
strategies = "ours.strategies"
baselines = "accepted"
known_failures = "failures.toml"
runs = "out/runs"
tier = "all"
""",
    )
    assert configuration_at(repository) == Configuration(
        folder=repository,
        subjects=(repository / "subjects.toml",),
        subject=("ours", "theirs"),
        strategies=("ours.strategies",),
        baselines=repository / "accepted",
        known_failures=repository / "failures.toml",
        runs=repository / "out" / "runs",
        tier="all",
    )


def test_it_holds_in_the_folders_below(repository: Path) -> None:
    """Past a pyproject.toml that says nothing about Fluxgate."""
    written(repository, '[tool.fluxgate]\nsubject = "ours"\n')
    below = repository / "packages" / "one"
    below.mkdir(parents=True)
    written(below, "[tool.ruff]\n")
    assert configuration_at(below).subject == ("ours",)
    assert configuration_at(below).folder == repository


def test_without_the_table_nothing_is_configured(repository: Path) -> None:
    """Neither by another tool's table, nor by none."""
    assert configuration_at(written(repository, '[tool.fluxgates]\nsubject = "x"\n')) == Configuration()
    assert configuration_at(written(repository, "tool = 3\n")) == Configuration()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('strategy = "nf4"', "the key 'strategy' is unknown; did you mean 'strategies'?"),
        ("subject = 3", "subject must be an array, not an integer."),
        ("strategies = [3]", "strategies 1 must be a string, not an integer."),
        ('tier = "long"', "tier is 'long'; choose from short, all."),
        ("baselines = true", "baselines must be a string, not true or false."),
        ('runs = ""', "runs must not be empty; it is ''."),
        ('subjects = "gone.toml"', "subjects names {folder}/gone.toml, which is no file."),
        ('known_failures = "."', "known_failures names {folder}, which is no file."),
    ],
)
def test_a_fault_is_told_with_its_key(repository: Path, line: str, sentence: str) -> None:
    """In one sentence, with the file and the table."""
    written(repository, f"[tool.fluxgate]\n{line}\n")
    with pytest.raises(Refusal) as refused:
        configuration_at(repository)
    place = f"{repository / 'pyproject.toml'}, tool.fluxgate: "
    assert str(refused.value) == place + sentence.format(folder=repository)


def test_a_table_that_is_none_is_told(repository: Path) -> None:
    """`fluxgate = 3` under [tool]."""
    with pytest.raises(Refusal, match=r"tool\.fluxgate: it must be a table"):
        configuration_at(written(repository, "[tool]\nfluxgate = 3\n"))


def test_invalid_toml_is_told_where_it_concerns_us(repository: Path) -> None:
    """A file that does not name us belongs to somebody else's tool."""
    assert configuration_at(written(repository, "[tool.ruff\n")) == Configuration()
    with pytest.raises(Refusal, match=r"is not valid TOML"):
        configuration_at(written(repository, "[tool.fluxgate]\nsubject = \n"))


def test_the_documentation_names_every_key() -> None:
    """In docs/configuration.md."""
    page = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text()
    assert [key for key in keys() if f"| `{key}` |" not in page] == []


def test_folders_that_are_not_named_are_the_repositorys(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a folder below as from its own; without a configuration they are those of the working folder."""
    (repository / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(repository / "a" / "b")
    assert default_folder("runs") == Path("runs")
    assert default_folder("baselines", without_table=Path("/p")) == Path("/p/baselines")
    written(repository, "[tool.fluxgate]\n")
    assert default_folder("runs") == Path("../../runs")
    assert default_folder("baselines", without_table=Path("/p")) == Path("../../baselines")
    monkeypatch.chdir(repository)
    assert default_folder("runs") == Path("runs")


def test_folders_that_are_named_are_used(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From where the table lies; an address is left as it is."""
    monkeypatch.chdir(repository)
    written(repository, '[tool.fluxgate]\nruns = "out"\nbaselines = "s3://b/c"\n')
    assert default_folder("runs") == repository / "out"
    assert default_folder("baselines") == Path("s3:/b/c")
