"""What bitsandbytes does to known weights, measured in a process of its own: `python -m fluxgate.render.nf4 DEVICE`.

The numbers are judged elsewhere, by what the QLoRA paper publishes (https://arxiv.org/abs/2305.14314, appendix E)."""

from __future__ import annotations

import importlib
import math
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from fluxgate.environment import ENGINE, Environment, engine_alone, variables_in
from fluxgate.quantizers import BLOCK, unpacked
from fluxgate.render.process.crashes import headline

ROWS, COLUMNS, ZERO_ROW = 96, 128, 7
VECTORS = 100
TOGETHER = (1, 5, VECTORS)  # vectors at a time: each number has its own kernel
WRONG_SCALES = (0.9, 0.95, 1.05)
NO_NUMBER = 1e9  # further off than any limit
READY = b"ready"  # the line by which the process asks for its turn


@dataclass(frozen=True)
class Nf4Facts:
    """What came out; a number is None where it did not come so far."""

    device: str
    version: str | None = None  # of bitsandbytes
    crash: str | None = None  # why it ended early: an exception, or how the process ended
    code: tuple[float, ...] = ()  # the sixteen values that it stores beside the weights
    scale_error: float | None = None  # the largest, between its scales and the blocks' largest absolute values
    code_error: float | None = None  # by how much a code is further from its weight than the nearest, at worst
    value_error: float | None = None  # between the weights taken back and code times scale, rounded
    product_errors: dict[str, float] = field(default_factory=dict)  # vectors at a time -> the worst row's, relative
    wrong_scale_errors: dict[str, float] = field(default_factory=dict)  # the same with a wrong scale, the best row's
    double_codes_moved: int | None = None  # codes that double quantization changes
    double_scale_error: float | None = None  # between its scales and the plain ones, as a share of the largest


def measured(
    environment: Environment,
    device: str,
    *,
    timeout: float,
    variables: Mapping[str, str] = os.environ,
    turn: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Nf4Facts:
    """The facts in an environment, on the device that the variables show. Whatever happens to the process, facts come
    out.

    It takes seconds; a machine that has much else to do may take many times as long, and is not blamed for it.
    turn: has the device; torch is imported before, since others can use it meanwhile."""
    with tempfile.TemporaryFile() as said, _process(environment, device, variables, said) as process:
        try:
            _wait_until_ready(process, timeout)
            with turn():
                out, _ = process.communicate(b"\n", timeout=timeout)
        except subprocess.TimeoutExpired:
            return Nf4Facts(device, crash=f"it was not done after {timeout:.0f} s")
        if process.returncode != 0:
            said.seek(0)
            last = (said.read().decode(errors="replace").strip().splitlines() or [""])[-1]
            return Nf4Facts(device, crash=f"the process ended with exit code {process.returncode}: {last}".rstrip(": "))
        return msgspec.json.decode(out.strip().splitlines()[-1], type=Nf4Facts)


@contextmanager
def _process(
    environment: Environment, device: str, variables: Mapping[str, str], said: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """One that does `work`, and whose errors go into a file; it is gone afterwards."""
    with ExitStack() as stack:
        path = ENGINE.parent if environment.is_current else stack.enter_context(engine_alone())
        pipe, own = subprocess.PIPE, variables_in(environment, path, variables)
        command = [str(environment.python), "-m", "fluxgate.render.nf4", device]
        started = subprocess.Popen(command, env=own, stdin=pipe, stdout=pipe, stderr=said, bufsize=0)
        process = stack.enter_context(started)
        stack.callback(process.kill)
        yield process


def _wait_until_ready(process: subprocess.Popen[bytes], timeout: float) -> None:
    """Until the process asks for its turn, or has ended."""
    until = time.monotonic() + timeout
    while process.stdout is not None:
        if not select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
            raise subprocess.TimeoutExpired(process.args, timeout)
        if process.stdout.readline().strip() in (READY, b""):
            return


def work() -> None:
    """What the process does: it imports, waits for its turn, and prints what it has measured."""
    with suppress(Exception):  # whatever it is, measuring meets it again
        importlib.import_module("torch")
    print(READY.decode(), flush=True)
    sys.stdin.readline()
    print(msgspec.json.encode(measure(sys.argv[1])).decode())


def measure(device: str) -> Nf4Facts:
    """The facts, as far as they could be measured in this process."""
    numbers: dict[str, Any] = {}
    try:
        for name, value in _numbers(device):
            numbers[name] = _in_json(value)
    except Exception as error:  # a library may raise anything: that is what is found out here
        numbers["crash"] = headline(error)
    return Nf4Facts(device, **numbers)


def _in_json(value: Any) -> Any:
    """The same with a number in place of NaN and infinity, which JSON does not have: they would look unmeasured."""
    if isinstance(value, dict):
        return {name: _in_json(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_in_json, value))
    return NO_NUMBER if isinstance(value, float) and not math.isfinite(value) else value


def _numbers(device: str) -> Iterator[tuple[str, Any]]:
    import bitsandbytes

    yield "version", bitsandbytes.__version__
    weights = _weights()
    original = weights.float().numpy()
    packed, state = _quantized(weights, device)
    scales = state.absmax.float().cpu().numpy()
    yield "code", tuple(state.code.float().cpu().numpy().tolist())
    yield "scale_error", float(np.abs(scales - np.abs(original.reshape(-1, BLOCK)).max(axis=1)).max())
    yield "code_error", _code_error(original, _codes(packed), state.code.float().cpu().numpy())
    back = bitsandbytes.functional.dequantize_4bit(packed, state)
    yield "value_error", _value_error(packed, state, back)
    yield "product_errors", {str(n): float(_product_errors(packed, state, back, together=n).max()) for n in TOGETHER}
    yield "wrong_scale_errors", dict(_with_wrong_scales(packed, state, back))
    doubled, nested = _quantized(weights, device, double=True)
    yield "double_codes_moved", int((_codes(packed) != _codes(doubled)).sum())
    plain = bitsandbytes.functional.dequantize_blockwise(nested.absmax, nested.state2) + nested.offset
    yield "double_scale_error", float((plain - state.absmax).abs().max() / state.absmax.max())


def _weights() -> Any:
    """Rows of very different sizes, in bfloat16, and one that is all zero."""
    import torch

    generator = torch.Generator("cpu").manual_seed(11)
    values = torch.randn(ROWS, COLUMNS, generator=generator) * torch.logspace(-4, 2, ROWS).unsqueeze(1)
    values[ZERO_ROW] = 0.0
    return values.to(torch.bfloat16)


def _quantized(weights: Any, device: str, *, double: bool = False) -> tuple[Any, Any]:
    """Packed codes and quantization state."""
    import bitsandbytes

    packed, state = bitsandbytes.functional.quantize_4bit(
        weights.to(device), blocksize=BLOCK, compress_statistics=double, quant_type="nf4"
    )
    return packed, state


def _codes(packed: Any) -> NDArray[np.uint8]:
    """In rows of one block."""
    return unpacked(packed.cpu().numpy()).reshape(-1, BLOCK)


def _code_error(original: NDArray[np.float32], codes: NDArray[np.uint8], values: NDArray[np.float32]) -> float:
    """On a scale of zero any code does."""
    blocks = original.reshape(-1, BLOCK)
    scales = np.abs(blocks).max(axis=1, keepdims=True)
    some = scales[:, 0] > 0
    distances = np.abs((blocks[some] / scales[some])[:, :, None] - values)
    chosen = np.take_along_axis(distances, codes[some][:, :, None].astype(int), axis=2)[:, :, 0]
    return float((chosen - distances.min(axis=2)).max())


def _value_error(packed: Any, state: Any, back: Any) -> float:
    import torch

    values = state.code.float().cpu().numpy().astype(np.float32)
    exact = values[_codes(packed)] * state.absmax.float().cpu().numpy()[:, None]
    expected = torch.from_numpy(exact).to(torch.bfloat16).float().numpy()
    return float(np.abs(back.float().cpu().numpy().reshape(-1, BLOCK) - expected).max())


def _product_errors(packed: Any, state: Any, against: Any, *, together: int) -> NDArray[np.float32]:
    """How far each weight row's products are from those with the plain weights, as a share of their length."""
    import bitsandbytes
    import torch

    given = torch.randn(VECTORS, COLUMNS, generator=torch.Generator("cpu").manual_seed(3))
    groups = given.to(packed.device, torch.bfloat16).split(together)
    actual = torch.cat([bitsandbytes.matmul_4bit(group, packed.t(), quant_state=state).float() for group in groups])
    expected = torch.cat(groups).double() @ against.double().t()
    errors = (actual - expected).norm(dim=0) / expected.norm(dim=0).clamp(min=1e-20)
    return np.asarray(errors.float().cpu(), dtype=np.float32)


def _with_wrong_scales(packed: Any, state: Any, back: Any) -> Iterator[tuple[str, float]]:
    """With the scale of either block of a row wrong, the row's products must be off."""
    for together in TOGETHER:
        least = []
        for off in WRONG_SCALES:
            for block in (0, 1):
                true = state.absmax.clone()
                state.absmax[block::2] *= off
                errors = _product_errors(packed, state, back, together=together)
                state.absmax.copy_(true)
                least.append(float(np.delete(errors, ZERO_ROW).min()))
        yield str(together), min(least)


if __name__ == "__main__":
    work()
