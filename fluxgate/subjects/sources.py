"""Where a subject's files are: in the package, in the user's cache, in a folder, or on the hub."""

from __future__ import annotations

import os
from pathlib import Path

from fluxgate.miniature import growth
from fluxgate.refusal import Refusal
from fluxgate.subjects import hub, pipeline_folder
from fluxgate.subjects.subject import Subject

PACKAGE = Path(__file__).parents[1]
MINIATURE = PACKAGE / "miniature" / "pipeline"
CACHE = "FLUXGATE_CACHE"  # names the folder for what is grown


def cache_folder() -> Path:
    """The user's folder for files that can be made again."""
    chosen = os.environ.get(CACHE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "fluxgate"


def cached(name: str) -> Path:
    """Where the cache keeps a pipeline of this name, made or not."""
    return cache_folder() / name


def locate(subject: Subject) -> Path:
    """The folder of the subject's pipeline, downloaded if it must be, or a refusal that says what to do."""
    scheme, _, rest = subject.source.partition(":")
    if scheme == "hub":
        return hub.download(rest, str(subject.revision), needed=subject.needs.disk)
    refuse_unready(subject)
    return _folder(scheme, rest)


def refuse_unready(subject: Subject) -> None:
    """Refuse what must be made or found first; what the hub has is fetched when it is needed."""
    reason = ready(subject)
    if reason is not None and not subject.source.startswith("hub:"):
        raise Refusal(f"{subject.name} is not ready: {reason}.")


def ready(subject: Subject) -> str | None:
    """Why the subject cannot be rendered right now, or None; asks no network."""
    scheme, _, rest = subject.source.partition(":")
    if scheme == "hub":
        return hub.complaint(rest, str(subject.revision), needed=subject.needs.disk, token=subject.needs.token)
    folder = _folder(scheme, rest)
    if scheme == "cache":
        reason = growth.complaint(folder, source=MINIATURE)
        return f"{reason}; run fluxgate grow" if reason else None
    return pipeline_folder.complaint(folder)


def _folder(scheme: str, rest: str) -> Path:
    return {"package": PACKAGE / rest, "cache": cached(rest), "folder": Path(rest)}[scheme]
