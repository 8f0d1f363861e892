"""Tests of a function that is replaced for a while."""

from contextlib import suppress

from fluxgate.render.measure.replaced import replaced


class Kind:
    def said(self) -> str:
        return "before"

    @staticmethod
    def plain() -> str:
        return "plain"


class Child(Kind):
    """What it says it has inherited."""


def test_another_one_is_there_meanwhile() -> None:
    """And what was there, of whichever kind it is, afterwards; also where something is raised."""
    before = dict(vars(Kind))
    with suppress(ZeroDivisionError), replaced(Kind, "said", lambda one: "meanwhile"), replaced(Kind, "plain", len):
        assert (Kind().said(), Child().said()) == ("meanwhile", "meanwhile")
        raise ZeroDivisionError
    assert dict(vars(Kind)) == before
    assert (Kind().said(), Kind.plain()) == ("before", "plain")


def test_what_is_inherited_is_inherited_again() -> None:
    """No copy of it stays with the child."""
    with replaced(Child, "said", lambda one: "meanwhile"):
        assert (Child().said(), Kind().said()) == ("meanwhile", "before")
    assert "said" not in vars(Child)
