"""Tests of counting work: operators, products, copies, moves that are asked for, and that nothing is left behind."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.measure.work import WorkCounter  # noqa: E402
from fluxgate.rendering import DENOISE, SLEEPS, PhaseWork, Unmoved  # noqa: E402

LAYER = torch.nn.Linear(8, 16, bias=False)
ROWS = torch.ones(4, 8)
PRODUCT = 2 * 4 * 8 * 16


def counted(call: Callable[[], Any], *, weights: Any = ()) -> PhaseWork:
    """What one phase counts of a call."""
    counter = WorkCounter()
    with torch.no_grad(), counter.counted([], weights):
        counter.enter(DENOISE)
        call()
        counter.enter(None)
        LAYER(ROWS)  # belongs to no phase
    (phase,) = counter.take_counted() or (PhaseWork(DENOISE),)
    return phase


def test_a_product_is_an_operator_a_module_and_its_operations() -> None:
    """By names without overloads."""
    phase = counted(lambda: LAYER(ROWS))
    assert (phase.operators["aten.mm"], phase.flops, phase.modules) == (1, {"aten.mm": PRODUCT}, {"Linear": 1})


@pytest.mark.parametrize("heads", [1, 3])
def test_attention_on_a_cpu_counts_both_products(heads: int) -> None:
    """torch has no formula for its CPU kernel."""
    query = torch.ones(2, heads, 5, 8)
    phase = counted(lambda: torch.nn.functional.scaled_dot_product_attention(query, query, query))
    assert sum(phase.flops.values()) == 2 * 2 * heads * 5 * 5 * (8 + 8)


def test_copies_and_casts_have_their_bytes() -> None:
    """Those of what comes out."""
    phase = counted(lambda: (ROWS.to(torch.float64), torch.empty(4, 8).copy_(ROWS)))
    assert phase.bytes == {"cast on host": 4 * 8 * 8, "within host": 4 * 8 * 4}


def test_moves_that_are_asked_for_are_counted_though_nothing_moves() -> None:
    """By a weight itself, by its data and by a module; a dtype alone is no place."""
    phase = counted(lambda: (LAYER.weight.to("cpu"), LAYER.weight.data.to("cpu"), LAYER.to("cpu"), ROWS.cpu()))
    assert phase.moves == {"weights asked to move": 3, "other tensors asked to move": 1}
    assert phase.bytes["weights asked to move"] == 3 * 8 * 16 * 4
    assert counted(lambda: ROWS.to(torch.float32)).moves == {}


def test_what_is_done_to_watch_is_not_counted() -> None:
    """A pause within a pause ends with the outer one."""
    counter = WorkCounter()
    with counter.counted([], []):
        counter.enter(DENOISE)
        with counter.pause():
            with counter.pause():
                LAYER(ROWS)
            LAYER(ROWS)
    assert counter.take_counted() == ()


def test_a_sleep_is_counted_whatever_module_has_it() -> None:
    """Those of this thread, and of the libraries alone: what waits for our own processes is no part of a call."""
    library = ModuleType("a_library")
    exec("from time import sleep\ndef wait():\n    sleep(0.001)", library.__dict__)
    own = {"__name__": "fluxgate.render.process.running", "time": time}
    original = time.sleep

    def call() -> None:
        time.sleep(0.001)
        library.wait()
        time.sleep(0)  # gives others their turn, and does not wait
        thread = threading.Thread(target=library.wait)
        thread.start()
        thread.join()
        exec("time.sleep(0.001)", own)

    sys.modules["a_library"] = library
    try:
        assert counted(call).events == {SLEEPS: 2}
    finally:
        del sys.modules["a_library"]
    assert time.sleep is library.sleep is original


def test_another_thread_is_not_seen_and_not_disturbed() -> None:
    """torch's modes belong to a thread."""
    results: list[Any] = []

    def call() -> None:
        thread = threading.Thread(target=lambda: results.append(LAYER(ROWS)))
        thread.start()
        thread.join()

    assert counted(call).operators == {}
    assert torch.equal(results[0], LAYER(ROWS))


class Wrapped(torch.Tensor):  # type: ignore[name-defined]  # torch has no types here
    """A tensor that only wraps another, as quantized ones do."""

    @staticmethod
    def __new__(cls, inner: Any) -> Any:
        made = torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return function(*(arg.inner if isinstance(arg, cls) else arg for arg in args), **(kwargs or {}))


def test_a_tensor_that_takes_itself_apart_is_counted_by_its_parts() -> None:
    """Once, not once more for the whole."""
    left, right = Wrapped(torch.ones(4, 8)), torch.ones(8, 16)
    phase = counted(lambda: torch.mm(left, right))
    assert (phase.operators, phase.flops) == ({"aten.mm": 1}, {"aten.mm": PRODUCT})


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_an_operator_of_operators_is_counted_as_one() -> None:
    """AnyFlow's causal denoiser attends by one of them, which torch hands on to a mode that says it takes such."""
    flexible = pytest.importorskip("torch.nn.attention.flex_attention")
    query = torch.ones(1, 1, 16, 16)
    phase = counted(lambda: flexible.flex_attention(query, query, query))
    assert phase.operators["flex_attention"] == 1


def test_bitsandbytes_products_have_formulas() -> None:
    """Its operators are custom ones, which torch knows nothing of."""
    bitsandbytes = pytest.importorskip("bitsandbytes")
    layer = bitsandbytes.nn.Linear4bit(64, 64, bias=False, compute_dtype=torch.float32, quant_type="nf4").to("cpu")
    rows = torch.ones(3, 64)
    with torch.no_grad():
        layer(rows)  # the first use packs weights
    phase = counted(lambda: layer(rows))
    assert sum(phase.flops.values()) == 2 * 3 * 64 * 64
    assert any(name.startswith("bitsandbytes.") for name in phase.operators)


def test_a_compiled_function_still_runs() -> None:
    """Counted or not inside, it gives what it gave."""
    compiled = torch.compile(lambda rows: LAYER(rows).relu(), backend="eager")
    with torch.no_grad():
        expected = compiled(ROWS)
    results: list[Any] = []
    counted(lambda: results.append(compiled(ROWS)))
    assert torch.equal(results[0], expected)


SIZE = 8 * 16 * 4  # bytes of LAYER


@pytest.mark.parametrize(
    ("call", "unmoved"),
    [
        (lambda one, two: (one(ROWS), two(ROWS)), Unmoved(2 * SIZE, 2 * SIZE, 2 * SIZE)),
        (lambda one, two: (one(ROWS), one.to("cpu"), two(ROWS)), Unmoved(SIZE, SIZE, 2 * SIZE)),
        (lambda one, two: (one.to("cpu"), one(ROWS), one.to("cpu"), one.to("cpu")), Unmoved(SIZE, 0, 0)),
        (lambda one, two: (one.weight.data.cpu(), one(ROWS), one(ROWS)), Unmoved(SIZE, SIZE, 0)),
        (lambda one, two: (one.to("cpu"), two.to("cpu")), Unmoved()),
        (lambda one, two: (one.weight.numel(), one.weight.add(1), one.weight.copy_(two.weight)), Unmoved()),
    ],
    ids=["stay", "one after the other", "again and again", "by its data", "not used", "nothing else is computed with"],
)
def test_weights_that_nobody_asks_to_move_are_told(call: Callable[..., Any], unmoved: Unmoved) -> None:
    """At once and last, since they were used; and before they were used first."""
    layers = [torch.nn.Linear(8, 16, bias=False) for _ in range(2)]
    assert counted(lambda: call(*layers)).unmoved == unmoved


def test_weights_that_are_made_anew_are_no_longer_there() -> None:
    """As an offload to disk makes them: what was used is gone, though nobody asked to move it."""
    layer = torch.nn.Linear(8, 16, bias=False)

    def used_twice() -> None:
        for _ in range(2):
            layer(ROWS)
            layer.weight.data = torch.ones(16, 8)

    assert counted(used_twice).unmoved == Unmoved(SIZE, 0, SIZE)


def test_on_a_gpu_what_nobody_asks_to_move_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert counted(lambda: LAYER(ROWS)).unmoved is None


def test_memory_that_is_given_back_to_a_gpu_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """By either name; a phase that gives none back has zero, and without a GPU nobody counts."""
    assert counted(lambda: LAYER(ROWS)).emptied is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert counted(lambda: LAYER(ROWS)).emptied == 0
    assert counted(lambda: (torch.cuda.empty_cache(), torch.cuda.empty_cache())).emptied == 2
    monkeypatch.setattr(torch.accelerator, "empty_cache", lambda: None, raising=False)
    assert counted(lambda: torch.accelerator.empty_cache()).emptied == 1


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    from torch.nn.modules import module as modules
    from torch.overrides import _get_current_function_mode_stack
    from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

    yield
    assert not _get_current_dispatch_mode_stack()
    assert not _get_current_function_mode_stack()
    assert not modules._global_forward_pre_hooks


def test_nothing_stays_where_a_call_fails() -> None:
    """The fixture looks at it."""

    def failing() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        counted(failing)
