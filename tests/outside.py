"""Fluxgate as a user sees it: a process, its exit code and what it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from fluxgate.render.pool import device_queue

ROOT = Path(__file__).parents[1]
LONGEST = 300  # seconds that one call may take on a busy machine

TINY = """
[tiny]
about = "the miniature, asked for little"
source = "folder:{folder}"
vae_tile = 64
[tiny.shots.fox]
prompt = "a red fox"
seed = 1
height = 64
width = 128
steps = 2
guidance = 3.5
max_sequence_length = 64
"""

# Strategies that end badly, each in its own way, beside those that the suite has.
BROKEN = """
import os
import fluxgate.strategies
from fluxgate.strategies.promise import Promise, strategy

@strategy(Promise(reproduces="full"))
def raises(site):
    raise ValueError("the weights are\\nnot there")

@strategy(Promise(reproduces="full"))
def killed(site):
    os.kill(os.getpid(), 9)

@strategy(Promise(reproduces="full"))
def redder(site):
    pipe = site.pipeline()
    decode = pipe.vae.decode
    pipe.vae.decode = lambda *a, **k: tuple(part * 0.9 for part in decode(*a, **k))
    return pipe

fluxgate.strategies.STRATEGIES += (raises, killed, redder)
"""


# What the driver of a machine with a GPU would say; the GPU itself is not there.
CARD = """
import fluxgate.gpus
import fluxgate.machine
fluxgate.machine.torch_build = lambda: ("2.13.0", "13.0")
fluxgate.machine.visible_gpus = lambda *_: (fluxgate.gpus.Gpu("A card", "GPU-1", 24 << 30, "9.0", "580.1"),)
"""


@dataclass(frozen=True)
class Ended:
    """What a process left."""

    code: int
    out: str
    err: str


# A strategy that cannot run, whatever is installed: two GPUs cannot share the tiny pipeline's three heads.
NOWHERE = "tensor-parallel"


def tiny(folder: Path, *, pipeline: Path) -> dict[str, str]:
    """The environment in which a subject named tiny exists, and nothing is downloaded."""
    catalogue = folder / "subjects.toml"
    catalogue.write_text(TINY.format(folder=pipeline))
    return {"FLUXGATE_SUBJECTS": str(catalogue), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def call(*arguments: str, within: Path, **environment: str) -> Ended:
    """Run Python with these arguments in a folder; the suite can be imported wherever that is."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "FLUXGATE_"))}
    inherited |= {device_queue.VARIABLE: os.environ[device_queue.VARIABLE]}
    paths = os.pathsep.join([str(within), str(ROOT)])
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=within,
        env={**inherited, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=LONGEST,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def pytest_on_the_suite(*arguments: str, within: Path, **environment: str) -> Ended:
    """`pytest` as the README tells it, with the runs and the cache kept elsewhere."""
    settings = ("--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), "-o", f"cache_dir={within / 'cache'}")
    named = any(Path(argument).is_absolute() for argument in arguments)
    paths = () if named else (str(ROOT / "suite"),)
    return call("-m", "pytest", *settings, *paths, *arguments, within=within, **environment)
