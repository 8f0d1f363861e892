"""Which releases are supported: what requirements/ states, as one sentence about those that are installed."""

from __future__ import annotations

import platform

from packaging.version import InvalidVersion, Version

from fluxgate.machine import Stack, installed_version

# The ranges that requirements/ states: the oldest release of each that is supported.
OLDEST = {
    "python": "3.11",
    "torch": "2.6",
    "diffusers": "0.33.1",
    "transformers": "4.48",
    "accelerate": "1.2",
    "bitsandbytes": "0.46",
}
OPTIONAL = ("bitsandbytes",)  # needed by its own strategies only
PYTHON_BEFORE = "3.14"
LOGGER_ISSUE = "https://github.com/huggingface/diffusers/issues/13104"


def outside_support(stack: Stack, *, torch: str | None = None, python: str | None = None) -> str | None:
    """One sentence that names what is missing, too old or too new, or None if all of it is supported."""
    versions = {"python": python or platform.python_version(), "torch": torch or installed_version("torch"), **stack}
    complaints = [complaint for name in OLDEST if (complaint := _complaint(name, versions.get(name)))]
    complaints += [clash] if (clash := _clash(stack)) else []
    if not complaints:
        return None
    return f"Outside of what Fluxgate supports: {'; '.join(complaints)}. See requirements/."


def _complaint(name: str, version: str | None) -> str | None:
    oldest = OLDEST[name]
    if version is None:
        return None if name in OPTIONAL else f"{name} is not installed ({oldest} or newer is needed)"
    release = _release(version)
    if release is None:
        return f"{name} {version} is not a version that can be compared with {oldest}"
    if release < Version(oldest):
        return f"{name} {version} is older than {oldest}"
    if name == "python" and release >= Version(PYTHON_BEFORE):
        return f"python {version} is not older than {PYTHON_BEFORE}"
    return None


def _clash(stack: Stack) -> str | None:
    """Two releases that cannot be installed together: no FLUX pipeline of diffusers can be imported then."""
    diffusers, torchao = stack.get("diffusers"), stack.get("torchao")
    if torchao is None or diffusers is None or not is_older(diffusers, "0.37") or is_older(torchao, "0.16"):
        return None
    advice = "install diffusers 0.37 or newer, or torchao older than 0.16"
    return f"diffusers {diffusers} cannot be imported beside torchao {torchao}: {advice} ({LOGGER_ISSUE})"


def is_older(version: str, than: str) -> bool:
    """Whether a version is certainly older."""
    release = _release(version)
    return release is not None and release < Version(than)


def _release(version: str) -> Version | None:
    """The release that a version is of, or is going to be; None for a text that is no version."""
    try:
        return Version(Version(version).base_version)
    except InvalidVersion:
        return None
