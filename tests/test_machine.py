"""Tests of the machine and the stack, without importing torch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fluxgate import machine
from fluxgate.files import is_name
from fluxgate.gpus import Gpu
from fluxgate.machine import (
    cpu_capability,
    detect,
    memory_limit,
    slug,
    stack,
    torch_build,
)
from fluxgate.refusal import Refusal

ROOT = Path(__file__).parents[1]
H100 = Gpu("NVIDIA H100 80GB HBM3", "GPU-aaaa", 85_000_000_000, "9.0", "580.159.04")
A40 = Gpu("NVIDIA A40", "GPU-bbbb", 48_000_000_000, "8.6", "580.159.04")
AVX2 = "fpu fma avx2"
AVX512 = AVX2 + " avx512f avx512vl avx512bw avx512dq"


@pytest.fixture
def torch_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A torch whose version file says this."""

    def put(text: str) -> None:
        (tmp_path / "version.py").write_text(text)
        spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
        monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)

    return put


def test_this_machine_has_a_name_that_a_folder_may_have() -> None:
    """Its id holds torch's version, and its device is one that pipelines run on."""
    pytest.importorskip("torch")
    detected = detect()
    assert is_name(detected.id)
    assert f"torch{detected.torch}" in detected.id
    assert detected.device in ("cuda", "cpu")
    assert detected.memory > 0
    assert detected.count > 0


def test_torch_is_not_imported_for_it() -> None:
    """A run can be identified on a laptop, in no time."""
    code = "import sys; from fluxgate.machine import detect, stack; detect(); stack(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_build_of_torch_is_what_torch_says_itself() -> None:
    """The version without its local tag, and the CUDA it was built for."""
    torch = pytest.importorskip("torch")
    assert torch_build() == (torch.__version__.partition("+")[0], torch.version.cuda)


def test_the_capability_is_what_torch_says_itself() -> None:
    """By the same rules, without asking it."""
    torch = pytest.importorskip("torch")
    if torch.backends.cpu.get_cpu_capability() not in ("DEFAULT", "AVX2", "AVX512"):
        pytest.skip("torch has other names for the instruction sets of this processor")
    capability = machine._cpu_machine("1", None).capability.split()[0]
    assert capability == torch.backends.cpu.get_cpu_capability().lower()


def test_a_gpu_names_the_machine(torch_at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Model, torch and CUDA; not the driver, which moves no pixel by itself."""
    torch_at("__version__ = '2.11.0+cu130'\ncuda: str = '13.0'\n")
    monkeypatch.setattr(machine, "visible_gpus", lambda: (H100, A40))
    detected = detect()
    assert detected.id == "h100-80gb-hbm3-torch2.11.0-cu130"
    assert (detected.device, detected.name, detected.count, detected.memory) == ("cuda", H100.name, 2, H100.memory)
    assert (detected.capability, detected.torch, detected.cuda, detected.driver) == (
        "9.0",
        "2.11.0",
        "13.0",
        "580.159.04",
    )


def test_without_a_gpu_in_sight_it_is_a_cpu(torch_at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch could use one, but there is none."""
    torch_at("__version__ = '2.11.0'\ncuda: str = '13.0'\n")
    monkeypatch.setattr(machine, "visible_gpus", lambda: ())
    assert detect().device == "cpu"
    assert re.fullmatch(r"cpu-.+-torch2\.11\.0", detect().id)


def test_a_torch_for_the_cpu_makes_a_cpu_of_any_machine(torch_at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the driver says."""
    torch_at("__version__ = '2.13.0+cpu'\ncuda: str | None = None\n")
    monkeypatch.setattr(machine, "visible_gpus", lambda: (H100,))
    assert detect().device == "cpu"


def test_no_torch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence that says where to look."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Refusal, match="torch is not installed; see requirements/"):
        detect()


@pytest.mark.parametrize("text", ["", "def broken(:\n", "__version__ = compute()\n"])
def test_a_version_file_that_says_nothing_leaves_the_metadata(
    torch_at: Any, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """The installed package's own metadata; without that, a refusal."""
    torch_at(text)
    monkeypatch.setattr(machine, "installed_version", lambda name: "2.9.1+cpu")
    assert torch_build() == ("2.9.1", None)
    monkeypatch.setattr(machine, "installed_version", lambda name: None)
    with pytest.raises(Refusal, match="does not state its version"):
        torch_build()


def test_slugs() -> None:
    """Lower case, words joined by hyphens, nothing at the ends."""
    assert slug(" RTX™ 4090 (Laptop) ") == "rtx-4090-laptop"


@pytest.mark.parametrize(
    ("flags", "environment", "capability"),
    [
        ("fpu", {}, "default"),
        (AVX2, {}, "avx2"),
        ("avx2", {}, "default"),
        (AVX512, {}, "avx512"),
        (AVX512.replace(" avx512dq", ""), {}, "avx2"),
        (AVX512 + " avx512_bf16", {}, "avx512 bf16"),
        (AVX512 + " avx512_bf16 amx_bf16", {}, "avx512 amx"),
        (AVX512 + " avx512_bf16", {"ATEN_CPU_CAPABILITY": "avx2"}, "avx2 bf16"),
        (AVX512 + " avx512_bf16", {"ONEDNN_MAX_CPU_ISA": "AVX2"}, "avx512 onednn-avx2"),
        (AVX512 + " amx_bf16", {"DNNL_MAX_CPU_ISA": "AVX512_CORE"}, "avx512 onednn-avx512-core"),
        (AVX2, {"ATEN_CPU_CAPABILITY": "nonsense"}, "avx2"),
    ],
)
def test_the_instruction_set_that_torch_uses(flags: str, environment: dict[str, str], capability: str) -> None:
    """Torch's own rules, its variable, and the products of bfloat16, which have rules of their own."""
    assert cpu_capability("x86_64", flags, environment) == capability


def test_processors_of_another_kind() -> None:
    """Arm, with and without scalable vectors."""
    assert cpu_capability("aarch64", "fp asimd sve", {}) == "sve"
    assert cpu_capability("arm64", "", {}) == "arm64"


def test_a_machine_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Still has an id and a name."""
    monkeypatch.setattr(machine, "_cpuinfo", dict)
    cpu = machine._cpu_machine("2.6.0", None)
    assert is_name(cpu.id)
    assert cpu.name


def test_another_processor_with_the_same_instructions_is_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries round by vendor and by caches too; so the id has vendor, family and model."""
    flags = "fma avx2 avx512f avx512vl avx512bw avx512dq avx512_bf16"
    described = {"vendor_id": "AuthenticAMD", "cpu family": "26", "model": "2", "flags": flags}
    monkeypatch.setattr(machine, "_cpuinfo", lambda: described)
    for name in ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    assert machine._cpu_machine("2.6.0", None).id.startswith("cpu-amd-26-2-")
    described |= {"vendor_id": "GenuineIntel", "cpu family": "6", "model": "143"}
    assert machine._cpu_machine("2.6.0", None).id.startswith("cpu-intel-6-143-")


def test_proc_is_read_for_the_first_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And nothing is read where there is none."""
    monkeypatch.setattr(machine, "Path", lambda name: tmp_path / "cpuinfo")
    assert machine._cpuinfo() == {}
    (tmp_path / "cpuinfo").write_text("model name\t: A: B\nflags\t: x y\n\nmodel name\t: C\n")
    assert machine._cpuinfo() == {"model name": "A: B", "flags": "x y"}


def test_the_stack_is_what_is_installed() -> None:
    """Versions of the gated libraries; what is absent is absent."""
    import importlib.metadata

    installed = stack()
    assert installed["safetensors"] == importlib.metadata.version("safetensors")
    assert "torch" not in installed
    assert all(isinstance(version, str) for version in installed.values())


def with_memory(size: int, device: str = "cuda") -> machine.Machine:
    return machine.Machine("x", device, "A card", 1, size, "9.0", "2.13.0", None, None, "3.12", "Linux")


def test_a_limit_is_what_the_card_has_or_less() -> None:
    """To the byte."""
    assert memory_limit("8 GB", of=with_memory(8 * 10**9), option="--vram-limit") == 8 * 10**9


@pytest.mark.parametrize(
    ("text", "card", "sentence"),
    [
        ("8 GB", with_memory(8 * 10**9 - 1), "--vram-limit is 8.00 GB; the A card has 8.00 GB."),
        ("80 GB", with_memory(24 * 10**9), "--vram-limit is 80.00 GB; the A card has 24.00 GB."),
        ("8 GB", with_memory(64 * 10**9, "cpu"), "--vram-limit 8 GB limits the memory of a GPU; none can be used here"),
        ("0 GB", with_memory(24 * 10**9), "--vram-limit is '0 GB'; it must be above 0."),
        ("much", with_memory(64 * 10**9, "cpu"), "--vram-limit is 'much'; write it like '17 GB' or '512 MB'."),
    ],
)
def test_a_limit_that_no_card_here_can_be_held_to_is_refused(text: str, card: machine.Machine, sentence: str) -> None:
    """More than it has, nothing, nonsense, or no card at all."""
    with pytest.raises(Refusal, match=f"^{re.escape(sentence)}"):
        memory_limit(text, of=card, option="--vram-limit")
