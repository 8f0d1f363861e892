"""Tests of what packages ask for, and of which can move alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fluxgate.gate.environments.consistency import Unmet, couplings, needed_along, unmet
from fluxgate.gate.environments.interpreters import Interpreter
from fluxgate.gate.environments.pins import Pins


def stack(**packages: tuple[str, Sequence[str]]) -> Interpreter:
    """An interpreter with these packages: a version each, and what it asks for."""
    return Interpreter(
        python=Path("python"),
        version="3.11",
        platform="linux",
        base="python",
        site_folders=(),
        pins=Pins.of({name: version for name, (version, _) in packages.items()}),
        requires={name: tuple(requires) for name, (_, requires) in packages.items()},
        shadowed=(),
    )


def test_what_is_asked_for_and_not_there_is_unmet() -> None:
    """Another release, and none; not what only an extra or another system needs, nor what cannot be read."""
    one = stack(
        alpha=(
            "1.0",
            [
                "Core>=2",
                "gone",
                'extra_only; extra == "all"',
                'other; sys_platform == "win32"',
                "?!",
                "odd; os_name ~= 'x'",
            ],
        ),
        core=("1.0", []),
    )
    assert unmet(one.pins, one.requires) == (
        Unmet("alpha", "core", "Core>=2"),
        Unmet("alpha", "gone", "gone"),
    )


def test_a_prerelease_that_is_installed_meets_a_range() -> None:
    """torch's nightly builds do."""
    one = stack(alpha=("1.0", ["torch>=2"]), torch=("2.9.0.dev20250901+cpu", []))
    assert unmet(one.pins, one.requires) == ()


def test_packages_that_do_not_need_each_other_move_alone() -> None:
    """Each is coupled to itself."""
    old = stack(alpha=("1.0", ["core"]), core=("1.0", []), other=("1.0", []))
    new = stack(alpha=("2.0", ["core"]), core=("2.0", []), other=("1.0", []))
    assert couplings(old, new) == {"alpha": {"alpha"}, "core": {"core"}}


def test_a_package_takes_along_what_its_new_release_asks_for() -> None:
    """Over others too; what it takes along moves without it."""
    old = stack(alpha=("1.0", []), core=("1.0", []), base=("1.0", []))
    new = stack(alpha=("2.0", ["core>=2"]), core=("2.0", ["base>=2"]), base=("2.0", []))
    assert couplings(old, new) == {"alpha": {"alpha", "core", "base"}, "core": {"core", "base"}, "base": {"base"}}


def test_a_package_takes_along_what_bears_only_its_old_release() -> None:
    """transformers, when tokenizers moves out of the range that it asks for."""
    old = stack(transformers=("1.0", ["tokenizers<2"]), tokenizers=("1.0", []))
    new = stack(transformers=("2.0", ["tokenizers"]), tokenizers=("2.0", []))
    assert couplings(old, new)["tokenizers"] == {"tokenizers", "transformers"}
    assert couplings(old, new)["transformers"] == {"transformers"}


def test_what_comes_and_goes_moves_with_those_that_ask_for_it() -> None:
    """A new package can come alone; one that goes takes along whoever asks for it."""
    old = stack(hub=("1.0", ["requests"]), requests=("1.0", []))
    new = stack(hub=("2.0", ["httpx"]), httpx=("1.0", []))
    assert couplings(old, new) == {
        "hub": {"hub", "httpx"},
        "httpx": {"httpx"},
        "requests": {"requests", "hub", "httpx"},
    }


def test_what_is_at_odds_at_an_end_couples_nothing() -> None:
    """A user may have forced it; the mixture is as much at odds as that end."""
    old = stack(alpha=("1.0", ["core>=9"]), core=("1.0", []))
    new = stack(alpha=("2.0", ["core>=8"]), core=("2.0", []))
    assert couplings(old, new)["alpha"] == {"alpha"}


def test_what_cannot_stay_is_told_with_who_depends_on_it() -> None:
    """Rather with that than with what it would ask for itself; what could stay has no reason."""
    old = stack(
        alpha=("1.0", []), hub=("2.4", ["core<2"]), core=("1.0", []), other=("1.0", []), slow=("1.0", ["core<2"])
    )
    new = stack(
        alpha=("2.0", ["hub<2", "core>=2", "fresh"]),
        hub=("1.9", []),
        core=("2.0", []),
        other=("2.0", []),
        slow=("2.0", []),
        fresh=("1.0", []),
    )
    assert needed_along(old, new) == {
        "hub": "alpha 2.0 depends on hub<2",
        "core": "alpha 2.0 depends on core>=2",
        "slow": "slow 1.0 depends on core<2",
        "fresh": "alpha 2.0 depends on fresh",
    }


def test_what_is_at_odds_in_the_candidate_anyway_is_no_reason() -> None:
    """It would be with any release."""
    old, new = stack(alpha=("1.0", ["gone"])), stack(alpha=("2.0", ["gone"]))
    assert needed_along(old, new) == {}
