"""Whether a session asks for the conformance tests, and for which cases: settled before anything is collected."""

from __future__ import annotations

from pathlib import Path

import pytest

import fluxgate
from fluxgate.amounts import amount
from fluxgate.history import store
from fluxgate.plugin.options import refuse_unwritable_page, request_of
from fluxgate.refusal import Refusal
from fluxgate.session.choice import Choice, choose, refuse_damaged, refuse_unready
from fluxgate.strategies.available import strategies

CHOICE = pytest.StashKey[Choice]()


def conformance_tests() -> Path:
    """The folder of the conformance tests: in the installed package, or beside it in a checkout."""
    package = Path(fluxgate.__file__).parent
    installed = package / "suite"
    return installed if installed.is_dir() else package.parent / "suite"


def asks(config: pytest.Config) -> bool:
    """Whether the conformance tests are among what this session collects."""
    return config.getoption("fluxgate") or _collects(config)


def _collects(config: pytest.Config) -> bool:
    tests = conformance_tests().resolve()
    folders = (_folder(config, argument) for argument in config.args)
    return any(tests == folder or tests in folder.parents or folder in tests.parents for folder in folders)


def _folder(config: pytest.Config, argument: str) -> Path:
    return (config.invocation_params.dir / argument.partition("::")[0]).resolve()


def choice_of(config: pytest.Config) -> Choice:
    """What the session is about; a refusal ends it with one sentence."""
    if CHOICE not in config.stash:
        try:
            refuse_unwritable_page(config)
            config.stash[CHOICE] = choose(request_of(config))
        except Refusal as refusal:
            raise pytest.UsageError(str(refusal)) from refusal
    return config.stash[CHOICE]


def pytest_configure(config: pytest.Config) -> None:
    """Add the conformance tests where they are asked for. `pytest CHECKOUT` means them, not Fluxgate's own tests."""
    tests = conformance_tests()
    config.args[:] = [str(tests) if _folder(config, each) == tests.parent else each for each in config.args]
    if config.getoption("fluxgate") and not _collects(config):
        config.args.append(str(tests))
    if asks(config):
        _mark_own_families(config)


def _mark_own_families(config: pytest.Config) -> None:
    """A mark for each family of one's own strategies; a session that asks for nothing does not import them."""
    try:
        families = dict.fromkeys(strategy.family for strategy in strategies())
    except Refusal as refusal:
        raise pytest.UsageError(str(refusal)) from refusal
    for family in families:
        config.addinivalue_line("markers", f"{family}: a strategy of this family")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """All that is wrong with what was asked is told before a test is collected, and in one sentence."""
    config = session.config
    if not asks(config):
        return
    choice = choice_of(config)
    if config.option.collectonly or hasattr(config, "workerinput"):  # xdist's own processes need not ask again
        return
    if choice.at_once > 1 and not getattr(config.option, "numprocesses", None):
        most = choice.at_once
        raise pytest.UsageError(f"--at-once={most} needs as many processes: add -n {most} (of pytest-xdist) or more.")
    try:
        refuse_unready(choice)
        refuse_damaged(choice)
    except Refusal as refusal:
        raise pytest.UsageError(str(refusal)) from refusal


def pytest_report_header(config: pytest.Config) -> list[str]:
    choice = config.stash.get(CHOICE, None)
    if choice is None:
        return []
    machine = choice.machine
    layers = [f"torch {machine.torch}"]
    layers += [f"CUDA {machine.cuda}, driver {machine.driver}"] if machine.device == "cuda" else []
    lines = [
        f"machine: {machine.name}, {', '.join(layers)} ({machine.id})",
        f"stack: {', '.join(f'{name} {version}' for name, version in choice.stack.items())}",
    ]
    if choice.vram_limit is not None:
        lines.append(f"vram limit: {amount(choice.vram_limit)} of each GPU for every case")
    if choice.at_once > 1:
        lines.append(f"at once: up to {choice.at_once} cases share a device, so seconds are not judged")
    return lines


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, object]) -> None:
    """Tell pytest-benchmark, which knows no GPU and no releases, what the session was rendered on."""
    choice = config.stash.get(CHOICE, None)
    if choice is not None:
        processor = machine_info.get("cpu")
        name = processor.get("brand_raw") if isinstance(processor, dict) else None
        machine_info[store.KEY] = store.session_entry(choice.machine, choice.stack, processor=str(name or ""))
