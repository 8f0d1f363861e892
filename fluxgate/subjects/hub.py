"""Pipelines on the Hugging Face hub: one commit, safetensors only, every failure explained in one sentence."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fluxgate.amounts import amount
from fluxgate.files import is_disk_full
from fluxgate.pipeline_folder import MODEL_INDEX, Index, read_index, why_not_loadable
from fluxgate.refusal import Refusal, full_stop

# Only files in the components' folders: a repository may hold the same weights a second time at its root.
WANTED = (MODEL_INDEX, "*/*.json", "*/*.txt", "*/*.model", "*/*.safetensors")
VARIANTS = "*/*.*.safetensors"  # the same weights once more in another dtype
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
INSTEAD = "or choose another subject: --subject miniature needs no download"
PAUSE = 2.0  # seconds before a broken download is taken up again


def download(
    repository: str,
    revision: str,
    *,
    needed: int = 0,
    mismatch: Callable[[Index], str | None] = lambda index: None,
    variant: str | None = None,
    elsewhere: tuple[str, ...] = (),
) -> Path:
    """The folder of one commit's pipeline, from the cache or over the network.

    `mismatch` says what is wrong with an index; it is called before the gigabytes that the index lists are fetched.
    Of the components that lie `elsewhere` the weights are not fetched."""
    folder = snapshot_folder(repository, revision)
    if why_not_loadable(folder, variant, elsewhere) is None:
        return folder
    if offline():
        raise Refusal(f"{repository} is not in the cache and {offline()} forbids a download; unset it, {INSTEAD}.")
    _refuse_full_disk(repository, needed)
    index = read_index(_snapshot(repository, revision, files=(MODEL_INDEX,)))
    reason = mismatch(index)
    others = _not_of_variant(repository, revision, variant) if variant and not reason else (VARIANTS,)
    ignored = (*others, *(f"{name}/*.safetensors" for name in elsewhere))
    reason = reason or why_not_loadable(_snapshot(repository, revision, ignored=ignored), variant, elsewhere)
    if reason:
        raise Refusal(full_stop(f"{repository} at {revision[:12]} cannot be used: {reason}"))
    return folder


def _not_of_variant(repository: str, revision: str, variant: str) -> tuple[str, ...]:
    """The weights that are not loaded where a variant is: all others of a component that has files of it."""
    weights = [file for file in listed(repository, revision).sizes if file.endswith(".safetensors")]
    of_variant = {file for file in weights if f".{variant}." in file or f".{variant}-" in file}
    components = {file.partition("/")[0] for file in of_variant}
    return tuple(file for file in weights if file.partition("/")[0] in components and file not in of_variant)


def why_not_ready(
    repository: str,
    revision: str,
    *,
    needed: int,
    token: bool,
    variant: str | None = None,
    elsewhere: tuple[str, ...] = (),
) -> str | None:
    """Why the pipeline is not ready in the cache, or None; asks no network."""
    folder = snapshot_folder(repository, revision)
    if (folder / MODEL_INDEX).exists():
        return why_not_loadable(folder, variant, elsewhere)
    if offline():
        return f"it is not in the cache and {offline()} forbids a download"
    size = f"{amount(needed)} will be downloaded" if needed else "it will be downloaded"
    licence = f"; first accept its licence at {page(repository)} and set HF_TOKEN" if token and not _token() else ""
    return size + licence


def offline() -> str | None:
    """The variable that forbids a download, if one does."""
    yes = ("1", "ON", "YES", "TRUE")
    return next((f"{name}={os.environ[name]}" for name in OFFLINE if os.environ.get(name, "").upper() in yes), None)


def endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def page(repository: str) -> str:
    return f"{endpoint()}/{repository}"


@dataclass(frozen=True)
class Listing:
    """What the hub says of a repository at one commit."""

    revision: str
    sizes: dict[str, int]  # file -> bytes
    dtypes: dict[str, int]  # as safetensors spells them -> numbers of that dtype, where the hub has counted them
    gated: bool


def listed(repository: str, revision: str | None = None) -> Listing:
    """A repository's commit, its files and their sizes; nothing is downloaded."""
    from huggingface_hub import HfApi

    if offline():
        raise Refusal(f"{repository} cannot be looked at: {offline()} forbids it; unset it, or give a folder.")
    api = HfApi(endpoint=endpoint(), token=_token())
    try:
        info = api.model_info(repository, revision=revision)
        tree = [
            entry
            for entry in api.list_repo_tree(repository, recursive=True, revision=info.sha)
            if hasattr(entry, "size")
        ]
    except Exception as error:  # the releases of huggingface_hub raise by three different HTTP libraries
        raise Refusal(explained(error, repository, revision or "main") or _broken_off(error, repository)) from error
    counted = getattr(getattr(info, "safetensors", None), "parameters", None) or {}
    return Listing(str(info.sha), {entry.path: entry.size for entry in tree}, dict(counted), bool(info.gated))


def configurations(repository: str, revision: str) -> Path:
    """The folder of a commit's index and configurations, without its weights."""
    return _snapshot(repository, revision, files=(MODEL_INDEX, "*/config.json"))


def _snapshot(
    repository: str, revision: str, *, files: tuple[str, ...] = WANTED, ignored: tuple[str, ...] = (VARIANTS,)
) -> Path:
    """Download a commit; what breaks off is taken up where it stopped, a few times."""
    from huggingface_hub import snapshot_download

    for last in (False, False, True):
        try:
            return Path(
                snapshot_download(
                    repository,
                    revision=revision,
                    allow_patterns=list(files),
                    ignore_patterns=list(ignored),
                    endpoint=endpoint(),
                    token=_token(),
                    cache_dir=_cache(),
                )
            )
        except Exception as error:  # the releases of huggingface_hub raise by three different HTTP libraries
            sentence = explained(error, repository, revision)
            if sentence or last:
                raise Refusal(sentence or _broken_off(error, repository)) from error
            time.sleep(PAUSE)
    raise AssertionError("the last try returns or raises")


def explained(error: BaseException, repository: str, revision: str) -> str | None:
    """One sentence that says what happened and what to do, or None where the connection merely broke."""
    errors = _with_causes(error)
    names = [type(each).__name__ for each in errors]
    status = next((code for code in map(_status, errors) if code), None)
    if any(is_disk_full(each) for each in errors):
        return f"The disk of {_cache()} is full: {repository} is not whole yet; free some space and run again."
    if "GatedRepoError" in names or status == 403:
        return (
            f"{repository} is gated{_token_state()}: accept its licence at {page(repository)}, "
            f"set HF_TOKEN to a token that may read it, {INSTEAD}."
        )
    if "RevisionNotFoundError" in names:
        return f"{repository} has no revision {revision}; correct it in the catalogue, {INSTEAD}."
    if status == 401 and "RepositoryNotFoundError" not in names:
        return f"{endpoint()} does not accept the token in HF_TOKEN; make a new one, {INSTEAD}."
    if "RepositoryNotFoundError" in names or status in (401, 404):
        return (
            f"{endpoint()} shows no repository {repository}: check its name, "
            f"and set HF_TOKEN if it is private or gated, {INSTEAD}."
        )
    if "LocalEntryNotFoundError" in names or "ConnectError" in names or "ConnectTimeout" in names:
        return f"{endpoint()} cannot be reached{_answered(status)}; check the network and run again, {INSTEAD}."
    return None


def _broken_off(error: BaseException, repository: str) -> str:
    text = " ".join(str(error).split())[:160]
    return (
        f"The download of {repository} broke off ({type(error).__name__}: {text}); "
        f"run again to go on where it stopped, {INSTEAD}."
    )


def snapshot_folder(repository: str, revision: str) -> Path:
    """Where the cache has the files of this commit, or will have them."""
    return _cache() / f"models--{repository.replace('/', '--')}" / "snapshots" / revision


def _cache() -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(os.environ.get("HF_HUB_CACHE") or HF_HUB_CACHE)


def _token() -> str | None:
    """The token of the environment, or the one that the user has logged in with."""
    from huggingface_hub import get_token

    token: str | None = get_token()
    return token


def _token_state() -> str:
    return " and its token may not read it" if _token() else " and no token is set"


def _refuse_full_disk(repository: str, needed: int) -> None:
    cache = _cache()
    own = cache / f"models--{repository.replace('/', '--')}"
    have = sum(path.stat().st_size for path in own.rglob("*") if path.is_file() and not path.is_symlink())
    existing = next(path for path in (cache, *cache.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed - have > free:
        missing = amount(needed - have)
        raise Refusal(f"{repository} needs {missing} more in {cache}, and only {amount(free)} are free, {INSTEAD}.")


def _with_causes(error: BaseException | None) -> list[BaseException]:
    """The error and what it was raised from."""
    errors: list[BaseException] = []
    while error is not None and error not in errors:
        errors.append(error)
        error = error.__cause__ or error.__context__
    return errors


def _status(error: BaseException) -> int | None:
    code = getattr(getattr(error, "response", None), "status_code", None)
    return code if isinstance(code, int) else None


def _answered(status: int | None) -> str:
    return f" (it answers {status})" if status else ""
