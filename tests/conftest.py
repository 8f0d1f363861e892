"""What several tests share: a small pipeline on disk, a subject of it, a device queue, and a Ctrl-C that is heard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

from fluxgate.render.pool import device_queue
from fluxgate.render.process import bfloat16
from tests.gate import held
from tests.once import once
from tests.outside import tiny

SHIPPED = Path(__file__).parents[1] / "fluxgate/miniature/pipeline"


LONGEST = 600  # seconds that one test may take, on a busy machine too


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No test hangs for ever."""
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LONGEST))


settings.register_profile("fluxgate", deadline=None)  # a busy machine is no failure
settings.load_profile("fluxgate")


@pytest.fixture(scope="session")
def miniature_folder() -> Path:
    """The miniature's pipeline, or another of its shapes that FLUXGATE_MINIATURE names."""
    for folder in (SHIPPED, Path(os.environ.get("FLUXGATE_MINIATURE", SHIPPED))):
        if (folder / "model_index.json").is_file():
            return folder
    pytest.skip(f"no pipeline in {SHIPPED}, and FLUXGATE_MINIATURE names none")


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory, miniature_folder: Path) -> dict[str, str]:
    """The variables that make the tiny subject known."""
    return tiny(tmp_path_factory.mktemp("catalogue"), pipeline=miniature_folder)


@pytest.fixture
def tiny_exists(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """The tiny subject is known in this process too."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def other_diffusers() -> str:
    """A release of diffusers that is not the installed one."""
    return next(release for release in ("0.41.0", "0.40.0") if release != version("diffusers"))


@pytest.fixture(scope="session")
def other_python(tmp_path_factory: pytest.TempPathFactory, other_diffusers: str) -> Path:
    """The Python of an environment with that diffusers; all else it takes from the packages installed here."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = next(folder.glob("lib/python3.*/site-packages"))
    (packages / "installed-here.pth").write_text(sysconfig.get_paths()["purelib"])  # comes after the folder itself
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--retries=1", "--timeout=20"]
    command += [f"--target={packages}", f"diffusers=={other_diffusers}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        pytest.skip(f"pip cannot install another diffusers here: {reason}")
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def real_gate(tmp_path_factory: pytest.TempPathFactory, miniature_folder: Path) -> Path:
    """The folder of a gate that was held once, with its runs: not safe, and one release is to blame."""
    return once(tmp_path_factory, "real-gate", partial(held.hold_gate, pipeline=miniature_folder))


@pytest.fixture(scope="session", autouse=True)
def _own_device_queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Wait for no other session that renders here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(device_queue.VARIABLE, str(tmp_path_factory.mktemp("queue")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _bfloat16_is_quick() -> None:
    """Tests that render in this process do it as workers do, on a processor without bfloat16 too."""
    if find_spec("torch") and not bfloat16.is_native():
        bfloat16.widen()


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """A shell starts what it puts into the background deaf to Ctrl-C, and processes hand that on to their children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
