"""Tests of what is settled before a pipeline is built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.process.determinism import DRAWN, DRAWS, NOTED, draws, noted_variables, settle  # noqa: E402


@pytest.fixture(autouse=True)
def _restored() -> object:
    """Leave torch's settings as they were."""
    before = (
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
    )
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before[:2]
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = before[2:]


def test_what_is_settled_is_in_force_and_noted() -> None:
    """TF32 and the search for fast kernels off, cuDNN's deterministic kernels on; torch chooses its others freely."""
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    noted = settle("cpu")
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.deterministic
    assert noted["deterministic_algorithms"] == "False"
    assert noted["cuda.matmul.allow_tf32"] == noted["cudnn.benchmark"] == "False"
    assert noted["cudnn.deterministic"] == "True"
    assert (noted["device"], noted["generator"]) == ("cpu", "cpu")
    assert noted["threads"] == str(torch.get_num_threads())


def test_numbers_that_nobody_seeded_are_the_same_every_time() -> None:
    """Torch's own generator starts from one place."""
    settle("cpu")
    first = torch.rand(3)
    settle("cpu")
    assert torch.equal(first, torch.rand(3))


def test_every_variable_is_noted_also_when_it_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Absence is a fact, too."""
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    noted = noted_variables()
    assert set(noted) == set(NOTED)
    assert noted["PYTHONHASHSEED"] == "not set"
    assert noted["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize("asked, threads", [(None, 2), ("3", 3), ("0", 2), ("many", 2)])
def test_the_number_of_threads_is_the_same_everywhere(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, threads: int
) -> None:
    """On a CPU it is 2 whatever OMP_NUM_THREADS says, unless another number is to be measured."""
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("FLUXGATE_CPU_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("FLUXGATE_CPU_THREADS", asked)
    try:
        assert settle("cpu")["threads"] == str(threads)
    finally:
        torch.set_num_threads(before)


def test_draws_are_what_a_generator_gives_in_each_dtype() -> None:
    """The numbers noted are those that a pipeline with that dtype would start from, rounded."""
    noted = draws()
    assert set(noted) == set(DRAWN)
    for dtype, numbers in noted.items():
        seeded = torch.Generator("cpu").manual_seed(0)
        drawn = torch.randn(1, DRAWS, generator=seeded, dtype=getattr(torch, dtype))
        assert numbers == pytest.approx(drawn[0].tolist(), abs=0.0051)


def test_beside_a_gpu_a_worker_takes_no_more_threads_than_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch was imported with as many as there are processors; a job's own number holds, and nonsense does not."""
    torch.set_num_threads(4)
    for given, threads in (("3", 3), ("none", 3), ("0", 3), ("2", 2)):
        monkeypatch.setenv("OMP_NUM_THREADS", given)
        assert settle("cuda")["threads"] == str(threads)


WHERE_IT_LIES = """
import sys
import torch
from fluxgate.render.process.determinism import settle
from fluxgate.render.process.libraries import import_libraries
assert import_libraries(sys.argv[2:]).crash is None
settle("cpu", dtype=sys.argv[1])
row, matrix = torch.randn(1, 64), torch.randn(64, 64)
products = set()
for start in range(16):
    place = torch.empty(64 * 64 + 16)[start : start + 64 * 64].view(64, 64)
    products.add(torch.nn.functional.linear(row, place.copy_(matrix)).numpy().tobytes())
print(len(products))
"""


def test_a_product_is_the_same_wherever_its_matrix_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a file that is mapped as in a copy of it: else strategies that copy weights would change pixels.

    MKL asks once, at the first product of float32: what is imported before, as by a fork server, must not multiply."""
    monkeypatch.delenv("MKL_CBWR", raising=False)
    command = [sys.executable, "-c", WHERE_IT_LIES, "float32", "FluxPipeline"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    assert done.stdout.split() == ["1"]


@pytest.mark.parametrize(("device", "dtype"), [("cpu", "bfloat16"), ("cpu", None), ("cuda", "float32")])
def test_no_other_pipeline_is_computed_otherwise_for_that(
    device: str, dtype: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one of somebody who has set the variable."""
    monkeypatch.delenv("MKL_CBWR", raising=False)
    assert settle(device, dtype=dtype)["MKL_CBWR"] == "not set"
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    assert settle("cpu", dtype="float32")["MKL_CBWR"] == "AVX2"
