"""The machine, as far as it decides pixels, and the stack of gated libraries on it, without importing torch."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import os
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fluxgate.amounts import amount
from fluxgate.gpus import Gpu, visible_gpus
from fluxgate.options import memory
from fluxgate.refusal import Refusal


@dataclass(frozen=True)
class Machine:
    """The hardware and the layer under the gated libraries."""

    id: str  # short, readable, a valid file name: "h100-80gb-hbm3-torch2.11.0-cu130", "cpu-avx512-torch2.13.0"
    device: str  # "cuda" or "cpu": what pipelines run on
    name: str  # "NVIDIA H100 80GB HBM3", or the CPU's model name
    count: int  # GPUs, or logical cores
    memory: int  # bytes on one GPU, or of the machine
    capability: str  # "9.0" for a GPU; the instruction set torch uses on a CPU
    torch: str
    cuda: str | None
    driver: str | None
    python: str
    system: str


HELD_TOGETHER = ("id", "name", "driver", "python", "system")  # of machines whose renderings stand beside each other

Stack = dict[str, str]  # package -> version; a package that is not installed is absent

GATED = (
    "diffusers",
    "transformers",
    "accelerate",
    "bitsandbytes",
    "huggingface_hub",
    "tokenizers",
    "safetensors",
    "torchao",
    "optimum-quanto",
    "gguf",
    "peft",
    "sentencepiece",
    "numpy",
    "pillow",
)


def detect() -> Machine:
    """This machine: its first visible GPU if torch is built for CUDA and the driver answers, else its CPU."""
    torch, cuda = torch_build()
    gpus = visible_gpus() if cuda else ()
    return _gpu_machine(gpus, torch, cuda) if gpus else _cpu_machine(torch, cuda)


def stack() -> Stack:
    """The versions of the gated libraries that are installed."""
    return {package: version for package in GATED if (version := installed_version(package)) is not None}


def releases_of(machine: Machine, libraries: Stack) -> Stack:
    """The same with torch's, which belongs to the machine."""
    return {**libraries, "torch": machine.torch}


def unlike(one: tuple[Machine, Stack], other: tuple[Machine, Stack]) -> Iterator[tuple[str, str | None, str | None]]:
    """What decides pixels, bytes or seconds and is not the same on both: what it is, and what it is on each."""
    for field in HELD_TOGETHER:
        mine, theirs = getattr(one[0], field), getattr(other[0], field)
        if mine != theirs:
            yield f"machine's {field}", mine, theirs
    for package in sorted({*one[1], *other[1]}):
        if one[1].get(package) != other[1].get(package):
            yield package, one[1].get(package), other[1].get(package)


def memory_limit(text: str, *, of: Machine, option: str) -> int:
    """An amount that each GPU of the machine can be held to, in bytes."""
    value = memory(text, option=option)
    if of.device != "cuda":
        raise Refusal(
            f"{option} {text} limits the memory of a GPU; none can be used here ({of.name}, torch {of.torch})."
        )
    if value > of.memory:
        raise Refusal(f"{option} is {amount(value)}; the {of.name} has {amount(of.memory)}.")
    return value


def public_version(version: str) -> str:
    """A version without its local part: 2.11.0 for 2.11.0+cu130."""
    return version.partition("+")[0]


def installed_version(package: str) -> str | None:
    """The version of an installed package; None for one that is not."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def torch_build() -> tuple[str, str | None]:
    """The installed torch's version without its local tag, and the CUDA it was built for; torch is not imported."""
    try:
        spec = importlib.util.find_spec("torch")
    except ValueError:  # a module put into sys.modules by hand
        spec = None
    if spec is None or spec.origin is None:
        raise Refusal("torch is not installed; see requirements/ for the supported versions.")
    assigned = _assignments(Path(spec.origin).parent / "version.py")
    version = assigned.get("__version__") or installed_version("torch")
    if version is None:
        raise Refusal(f"The torch at {Path(spec.origin).parent} does not state its version.")
    return public_version(version), assigned.get("cuda")


def _assignments(path: Path) -> dict[str, str]:
    """The strings that a Python file assigns at its top level, without running it."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return {}
    assigned = {}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            assigned.update({name: node.value.value for name in names if isinstance(node.value.value, str)})
    return assigned


def _gpu_machine(gpus: tuple[Gpu, ...], torch: str, cuda: str | None) -> Machine:
    first = gpus[0]
    build = f"torch{torch}-cu{(cuda or '').replace('.', '')}"
    return Machine(
        id=f"{slug(re.sub(r'^nvidia ', '', first.name, flags=re.IGNORECASE))}-{build}",
        device="cuda",
        name=first.name,
        count=len(gpus),
        memory=first.memory,
        capability=first.capability,
        torch=torch,
        cuda=cuda,
        driver=first.driver,
        python=platform.python_version(),
        system=_system(),
    )


def _cpu_machine(torch: str, cuda: str | None) -> Machine:
    described = _cpuinfo()
    capability = cpu_capability(platform.machine(), described.get("flags", described.get("Features", "")), os.environ)
    return Machine(
        id=slug(f"cpu {cpu_model(described)} {capability} torch{torch}"),
        device="cpu",
        name=described.get("model name") or platform.processor() or platform.machine(),
        count=os.cpu_count() or 1,
        memory=_memory(),
        capability=capability,
        torch=torch,
        cuda=cuda,
        driver=None,
        python=platform.python_version(),
        system=_system(),
    )


def device_of(machine_id: str) -> str:
    """What pipelines run on where a machine has this id: the id of one without a GPU begins with "cpu-"."""
    return "cpu" if machine_id.startswith("cpu-") else "cuda"


def slug(text: str) -> str:
    """A text as a part of a file name: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")


def cpu_model(described: Mapping[str, str]) -> str:
    """Vendor, family and model, as far as they are stated. By these, and by the caches, libraries choose kernels and
    blocks that may round differently, although the instructions are the same."""
    vendor = described.get("vendor_id", "").replace("AuthenticAMD", "amd").replace("GenuineIntel", "intel")
    return " ".join(part for part in (vendor, described.get("cpu family"), described.get("model")) if part)


def cpu_capability(architecture: str, flags: str, environment: Mapping[str, str]) -> str:
    """The instruction set that torch computes with, by torch's own rules, and the one its bfloat16 products use."""
    available = set(flags.split())
    if architecture not in ("x86_64", "AMD64"):
        return "sve" if "sve" in available else architecture
    aten = _aten(available, environment.get("ATEN_CPU_CAPABILITY"))
    capped = environment.get("ONEDNN_MAX_CPU_ISA") or environment.get("DNNL_MAX_CPU_ISA")
    if capped:
        return f"{aten} onednn-{slug(capped.replace('_', '-'))}"
    # The matrix products of bfloat16 sum in another order, or with another rounding, on each of these.
    if "amx_bf16" in available:
        return f"{aten} amx"
    return f"{aten} bf16" if "avx512_bf16" in available else aten


def _aten(available: set[str], requested: str | None) -> str:
    if requested in ("default", "avx2", "avx512"):
        return requested
    if {"avx512f", "avx512vl", "avx512bw", "avx512dq", "fma"} <= available:
        return "avx512"
    return "avx2" if {"avx2", "fma"} <= available else "default"


def _cpuinfo() -> dict[str, str]:
    """The first processor of /proc/cpuinfo; empty where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _system() -> str:
    return f"{platform.system()} {platform.release()} {platform.machine()}"
