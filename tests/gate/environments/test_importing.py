"""Tests of imports in an environment: what works, what does not and why, and what is another version than it seems."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.gate.environments import importing
from fluxgate.gate.environments.building import Built, build
from fluxgate.gate.environments.importing import check_imports
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.environments.stages import Cause, Stage, StageFailure
from fluxgate.refusal import Refusal
from tests.gate.environments.unzip import Unzip
from tests.gate.environments.wheels import wheel
from tests.wording import unsaid

MODULES = {
    "sound": "__version__ = '1.0+local'\nclass Pipeline: ...\n",
    "silent": "",
    "mislabelled": "__version__ = '0.9'\n",
    "broken": "raise ImportError('libcudart.so.13: cannot open shared object file')\n",
    "lazy": "try:\n    import broken\nexcept ImportError as error:\n"
    "    raise RuntimeError('Failed to import lazy.models (look up to see its traceback)') from error\n",
    "fallback": "try:\n    import no_such_thing\nexcept ImportError:\n    raise ValueError('the second attempt')\n",
    "crashing": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n",
    "killed": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
    "leaving": "import os\nos._exit(3)\n",
    "exiting": "raise SystemExit('no GPU')\n",
    "hanging": "import time\ntime.sleep(60)\n",
    "chatty": 'print(\'{"failed": "everything"}\')\n',
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """An environment with a package for each way in which an import can end."""
    wheelhouse = tmp_path_factory.mktemp("modules")
    for name, code in MODULES.items():
        wheel(wheelhouse, name, "1.0", files={f"{name}.py": code})
    built = build(Pins.of(dict.fromkeys(MODULES, "1.0")), installer=Unzip(wheelhouse))
    assert isinstance(built, Built)
    return built


def failure_of(environment: Built, *targets: str, timeout: float = 60) -> StageFailure:
    failure = check_imports(environment, needed=targets or None, timeout=timeout)
    assert isinstance(failure, StageFailure)
    assert failure.stage == Stage.IMPORT
    return failure


def test_what_can_be_imported_has_no_failure(environment: Built) -> None:
    """A module with an object in it, one that states no version, and one that prints."""
    assert check_imports(environment, needed=["sound:Pipeline", "silent", "chatty"]) is None


def test_what_was_imported_once_is_not_tried_again(environment: Built) -> None:
    """A line says so; other targets are tried."""
    lines: list[str] = []
    for _ in range(2):
        assert check_imports(environment, needed=["sound"], report=lines.append) is None
    assert [line.split()[0] for line in lines] == ["Importing", "Importing", "Environment"]
    assert failure_of(environment, "sound", "broken").cause == Cause.NOT_IMPORTED


@pytest.mark.parametrize(
    "target, reason",
    [
        ("broken", "ImportError: libcudart.so.13: cannot open shared object file"),
        ("lazy", "ImportError: libcudart.so.13: cannot open shared object file"),
        ("fallback", "ValueError: the second attempt"),
        ("sound:Missing", "AttributeError: module 'sound' has no attribute 'Missing'"),
        ("not_installed", "ModuleNotFoundError: No module named 'not_installed'"),
        ("exiting", "SystemExit: no GPU"),
        ("crashing", "its process was ended by SIGSEGV"),
        ("leaving", "its process ended with exit code 3"),
    ],
)
def test_the_sentence_names_the_module_and_the_first_cause(environment: Built, target: str, reason: str) -> None:
    """Not the wrapping that a lazy import puts around it, and not what was only tried before."""
    failure = failure_of(environment, "sound", target)
    assert failure.cause == Cause.NOT_IMPORTED
    assert failure.sentence == f"{target.partition(':')[0]} cannot be imported: {reason}."


def test_the_log_has_the_whole_traceback(environment: Built) -> None:
    """Of the wrapping too."""
    log = failure_of(environment, "lazy").log
    assert "Failed to import lazy.models" in log
    assert "libcudart" in log


def test_an_import_that_hangs_fails_in_time(environment: Built) -> None:
    """The sentence names the module at which it hung, and the log has what it had printed."""
    failure = failure_of(environment, "chatty", "hanging", timeout=4)
    assert not unsaid(failure.sentence, "hanging", "did not end in time")
    assert "everything" in failure.log


def test_an_import_that_is_killed_from_outside_is_refused(environment: Built) -> None:
    """It says nothing about the package: the system may have needed the memory."""
    with pytest.raises(Refusal, match="killed was ended by SIGKILL"):
        check_imports(environment, needed=["killed"])


def test_a_module_that_states_another_version_is_found_out(environment: Built) -> None:
    """The metadata may have moved without the code, or the code comes from elsewhere."""
    failure = failure_of(environment, "mislabelled")
    assert failure.cause == Cause.NOT_AS_ASKED
    assert not unsaid(failure.sentence, "mislabelled 1.0 was installed", "states 0.9")


def test_nothing_is_imported_from_this_process(
    environment: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PYTHONPATH, the current folder and that of the engine do not stand in for what is missing."""
    (tmp_path / "elsewhere.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("elsewhere", "inside_imports"):
        assert f"No module named '{name}'" in failure_of(environment, name).sentence


def test_a_stack_without_torch_fails_at_torch(environment: Built) -> None:
    """What a pipeline needs is imported unless something else is named."""
    assert not unsaid(failure_of(environment).sentence, "torch", "ModuleNotFoundError: No module named 'torch'")


def test_bitsandbytes_is_imported_where_it_is_pinned(environment: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is optional, but a broken one is found before anything is rendered."""
    monkeypatch.setattr(importing, "NEEDED", ("sound",))
    monkeypatch.setattr(importing, "OPTIONAL", ("bitsandbytes",))
    assert check_imports(environment) is None
    monkeypatch.setattr(importing, "OPTIONAL", ("broken",))
    assert failure_of(environment).sentence.startswith("broken")
