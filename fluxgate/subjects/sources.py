"""Where a subject's files are: in the package, in the user's cache, in a folder, or on the hub."""

from __future__ import annotations

import os
from pathlib import Path

from fluxgate.files import expanded
from fluxgate.miniature.growth import grown_folder
from fluxgate.pipeline_folder import Index, read_index, why_not_loadable
from fluxgate.refusal import Refusal, full_stop
from fluxgate.subjects import hub
from fluxgate.subjects.matching import mismatch
from fluxgate.subjects.single_files import why_not_readable
from fluxgate.subjects.subject import Subject

PACKAGE = Path(__file__).parents[1]
MINIATURE = PACKAGE / "miniature" / "pipeline"
CACHE = "FLUXGATE_CACHE"  # names the folder for what is grown


def cache_folder() -> Path:
    """The user's folder for files that can be made again."""
    chosen = os.environ.get(CACHE)
    if chosen:
        return expanded(chosen).absolute()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else expanded("~/.cache")) / "fluxgate"


def cached(name: str) -> Path:
    """Where the cache keeps a pipeline of this name, made or not."""
    return cache_folder() / name


def locate(subject: Subject) -> Path:
    """The folder of the subject's pipeline, downloaded if it must be, or a refusal that says what to do."""
    refuse_unready(subject)
    scheme, _, rest = subject.source.partition(":")
    if scheme == "hub":
        return hub.download(
            rest,
            _revision(subject),
            needed=subject.needs.disk,
            mismatch=lambda index: mismatch(subject, index),
            variant=subject.variant,
            elsewhere=subject.elsewhere,
        )
    return _folder(subject)


def refuse_unready(subject: Subject) -> None:
    """Refuse what must be made, found or corrected first; what the hub has is fetched when it is needed."""
    on_hub = subject.source.startswith("hub:")
    reason = why_not_readable(subject) or _mismatch(subject) if on_hub else why_not_ready(subject)
    if reason is not None:
        raise Refusal(full_stop(f"{subject.name} is not ready: {reason}"))


def why_not_ready(subject: Subject) -> str | None:
    """Why the subject cannot be rendered right now, or None; asks no network."""
    scheme, _, rest = subject.source.partition(":")
    if scheme == "hub":
        needs = subject.needs
        reason = hub.why_not_ready(
            rest,
            _revision(subject),
            needed=needs.disk,
            token=needs.token,
            variant=subject.variant,
            elsewhere=subject.elsewhere,
        )
    elif scheme == "cache":
        ungrown = grown_folder.why_not_usable(_folder(subject), source=MINIATURE)
        reason = f"{ungrown}; run fluxgate grow" if ungrown else None
    else:
        reason = why_not_loadable(_folder(subject), subject.variant, subject.elsewhere)
    return reason or why_not_readable(subject) or _mismatch(subject)


def _mismatch(subject: Subject) -> str | None:
    """What of the subject its pipeline contradicts, as far as the pipeline is there."""
    index = readable_index(subject)
    return mismatch(subject, index) if index else None


def readable_index(subject: Subject) -> Index | None:
    """The index of the subject's pipeline; None where there is none yet, or a damaged one."""
    try:
        return read_index(_folder(subject))
    except Refusal:
        return None


def component_folder(subject: Subject, name: str) -> Path:
    """Where a component's files lie, or will lie."""
    return _folder(subject) / name


def _folder(subject: Subject) -> Path:
    """Where the pipeline lies or will lie."""
    scheme, _, rest = subject.source.partition(":")
    if scheme == "hub":
        return hub.snapshot_folder(rest, _revision(subject))
    return {"package": PACKAGE / rest, "cache": cached(rest), "folder": Path(rest)}[scheme]


def _revision(subject: Subject) -> str:
    return str(subject.revision)
