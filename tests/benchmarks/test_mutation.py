"""Tests of mutation testing: what mutmut is told, and what becomes of its answers."""

from __future__ import annotations

import tomllib

from benchmarks.mutation import mirrors_of, modules_of, outcomes, settings, table

RESULTS = """
    fluxgate.judge.tolerances.x_root_of__mutmut_1: killed
    fluxgate.judge.tolerances.x_root_of__mutmut_2: survived
    fluxgate.judge.tolerances.xǁ_Boundsǁlimit__mutmut_3: timeout
    fluxgate.judge.tolerances.xǁ_Boundsǁlimit__mutmut_4: not checked
    fluxgate.compare.words.x_sizes__mutmut_1: no tests
"""


def test_changes_are_counted_by_module() -> None:
    """Functions and methods alike; those that were not tried count for nothing."""
    counts = outcomes(RESULTS)
    assert counts == {
        "fluxgate.judge.tolerances": {"killed": 1, "survived": 1, "timeout": 1},
        "fluxgate.compare.words": {"no tests": 1},
    }
    assert table(counts).splitlines()[-1].split() == ["all", "4", "50%", "1", "1"]


def test_a_module_is_tried_by_its_own_tests() -> None:
    """Else by those of its room."""
    modules = ["fluxgate/judge/tolerances.py", "fluxgate/judge/checks/oracle.py", "fluxgate/compare/oracle.py"]
    mirrors = ["tests/compare", "tests/judge/checks/test_oracle.py", "tests/judge/test_tolerances.py"]
    assert mirrors_of(modules) == mirrors
    assert "fluxgate/judge/checks/oracle.py" in modules_of(("judge",))


def test_mutmut_is_told_what_to_change_and_to_run() -> None:
    """As TOML that can be read."""
    told = tomllib.loads(settings(["a.py", "b.py"], ["tests/a"]))["tool"]["mutmut"]
    assert (told["only_mutate"], told["pytest_add_cli_args_test_selection"]) == (["a.py", "b.py"], ["tests/a"])
