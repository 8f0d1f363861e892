"""Tests of strategies as plain data: nothing that is judged by is lost, and what is not understood is refused."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import msgspec
import pytest

from fluxgate.refusal import Refusal
from fluxgate.strategies import STRATEGIES
from fluxgate.strategies.effects import EFFECTS, EVERY, STAYING, Hooked
from fluxgate.strategies.promise import Promise, Strategy
from fluxgate.strategies.record import StrategyRecord, record_of, restored
from fluxgate.subjects.subject import Subject
from tests.strategies.machines import H100, NEW
from tests.strategies.named import strategy_named
from tests.wording import unsaid

CODE = {"load", "unsupported"}  # what a record leaves behind


def through_json(record: StrategyRecord) -> StrategyRecord:
    return msgspec.json.decode(msgspec.json.encode(record), type=StrategyRecord)


def record_with(**changes: Any) -> StrategyRecord:
    """The record of a strategy, its promise changed by hand."""
    record = record_of(strategy_named("nf4"))
    return replace(record, promise={**record.promise, **changes})


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)
def test_a_strategy_survives_the_way_through_a_file(strategy: Strategy) -> None:
    """All but its code comes back as it was: the promise to each effect and number."""
    record = record_of(strategy)
    assert through_json(record) == record
    again = restored(through_json(record))
    for field in fields(Strategy):
        if field.name not in CODE:
            assert getattr(again, field.name) == getattr(strategy, field.name), field.name


def test_the_strategies_use_every_kind_of_effect() -> None:
    """So each kind has gone through the file above."""
    used = {type(effect).__name__ for strategy in STRATEGIES for effect in strategy.promise.effects}
    assert used == set(EFFECTS)


def test_an_effect_is_written_with_its_kind() -> None:
    """A person who reads the run sees what must have been there."""
    effects = record_of(strategy_named("model-offload")).promise["effects"]
    assert effects[0] == {
        "effect": "Hooked",
        "hook": "CpuOffload",
        "of": list(EVERY),
        "at_least": 1,
        "each_linear": False,
        "fewer_than_linears": False,
        "but": list(STAYING),
    }


def test_a_restored_strategy_is_never_loaded() -> None:
    """Its code is not in the run, and it says so."""
    again = restored(record_of(strategy_named("full")))
    with pytest.raises(Refusal, match=r"^full was read from a run"):
        again.load(None)  # type: ignore[arg-type]  # it looks at no site
    reason = again.unsupported(Subject("small", "a small pipeline", "folder:.", ()), H100, NEW)
    assert reason is not None
    assert "read from a run" in reason


def test_an_effect_of_a_newer_version_is_refused() -> None:
    """A check that passes it over would pass what it never looked at."""
    with pytest.raises(Refusal) as caught:
        restored(record_with(effects=[{"effect": "Compiled", "graphs": 3}]))
    assert not unsaid(str(caught.value), "nf4", "'Compiled'", "newer")


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"effects": [{"effect": "Hooked", "hook": "x", "none_of": 1}]}, "in its effect Hooked, says none_of, which"),
        ({"costs": 3}, "The promise of nf4 says costs, which this Fluxgate does not know"),
        ({"effects": None}, "is damaged: it has no list of effects"),
        ({"effects": ["Hooked"]}, "is damaged: an effect of it is 'Hooked'"),
        ({"effects": [{"hook": "x"}]}, "has the effect None"),
        ({"effects": [{"effect": ["Hooked"]}]}, r"has the effect \['Hooked'\]"),
        ({"effects": [{"effect": "Hooked"}]}, "in its effect Hooked, is damaged: .*`hook`"),
        ({"effects": [{"effect": "Hooked", "hook": 3}]}, r"is damaged: Expected `str`, got `int` - at `\$\.hook`"),
        ({"reproduces": 3}, r"The promise of nf4 is damaged: .*`\$\.reproduces`"),
    ],
)
def test_what_is_not_understood_is_refused(changes: dict[str, Any], sentence: str) -> None:
    """One sentence with the strategy and the place, whatever stands in the file."""
    with pytest.raises(Refusal, match=sentence) as caught:
        restored(record_with(**changes))
    assert "\n" not in str(caught.value)


def test_an_effect_that_cannot_be_read_back_is_not_written() -> None:
    """An effect of somebody's own, even one of the same name, could not be judged from the run."""

    class Own(Hooked):
        pass

    Own.__name__ = "Hooked"
    strategy = replace(strategy_named("full"), promise=Promise(effects=(Own("x"),)))
    with pytest.raises(Refusal, match=r"effect Hooked.* Unhooked, "):
        record_of(strategy)
