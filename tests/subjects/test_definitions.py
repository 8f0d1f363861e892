"""Tests of how classes are found in a library's source."""

from __future__ import annotations

from pathlib import Path

from fluxgate.subjects.definitions import beside, definition_of, made_of


def test_a_class_is_found_by_its_name(tmp_path: Path) -> None:
    """In whichever folder it is; nothing of the file is run."""
    for folder, name in (("one", "First"), ("two", "Second")):
        (tmp_path / folder / "deep").mkdir(parents=True)
        text = f"raise SystemExit\nclass {name}(object):\n    kind = 1\n"
        (tmp_path / folder / "deep" / "file.py").write_text(text)
    found = definition_of("Second", tmp_path / "one", tmp_path / "two")
    assert found is not None
    assert (found.name, len(found.body)) == ("Second", 1)


def test_a_class_that_is_not_there_has_no_definition(tmp_path: Path) -> None:
    """Nor has one in another folder."""
    assert definition_of("Missing", tmp_path) is None


def test_what_a_class_names_is_in_its_own_file(tmp_path: Path) -> None:
    """Another file has a class of the same name; what a file does not have is found elsewhere."""
    (tmp_path / "first.py").write_text(
        "class Whole(object):\n    parts = Part, Other\nclass Part(object):\n    of = 1\n"
    )
    (tmp_path / "second.py").write_text("class Part(object):\n    pass\n    of = 2\nclass Other(object):\n    pass\n")
    bodies = {definition.name: len(definition.body) for definition in made_of("Whole", tmp_path)}
    assert bodies == {"Whole": 1, "Part": 1, "Other": 1}


def test_a_file_has_classes_beside_one(tmp_path: Path) -> None:
    """Its own among them, and none of another file."""
    (tmp_path / "first.py").write_text("class One(object):\n    pass\nclass Two(object):\n    pass\n")
    (tmp_path / "second.py").write_text("class Three(object):\n    pass\n")
    assert [each.name for each in beside("Two", tmp_path)] == ["One", "Two"]
    assert beside("Missing", tmp_path) == ()
