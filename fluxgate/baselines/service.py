"""Bytes at an address: in an object store, in a dataset on the hub, or in a folder that machines share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from fluxgate.files import make_whole, write_whole
from fluxgate.refusal import Refusal, full_stop

PRECONDITION_FAILED = 412  # the status with which the hub refuses a commit on top of one that is not the last
# Beside fsspec, which diffusers brings; as requirements/remote.txt. An index has another project named fluxgate.
NEEDS = {"s3": 'pip install "s3fs>=2025.3"', "gs": "pip install gcsfs"}


class Service:
    """What is at an address, through fsspec. Files are written whole or not at all."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._scheme = address.partition(":")[0]

    @property
    def commits(self) -> bool:
        """Whether files are written by `commit`, many at once; else one at a time, by `write` and `make`."""
        return self._scheme == "hf"

    @cached_property
    def _place(self) -> tuple[Any, str]:
        """fsspec's file system, and the path in it."""
        with self._told("reached"):
            import fsspec

            place: tuple[Any, str] = fsspec.url_to_fs(self.address)
            return place

    def read(self, path: str) -> bytes | None:
        """What a file holds; None where there is none."""
        system, root = self._place
        with self._told("read"):
            system.invalidate_cache()  # others write, too
            try:
                data: bytes = system.cat_file(f"{root}/{path}")
            except FileNotFoundError:
                return None
            return data

    def write(self, path: str, data: bytes) -> None:
        """Whole or not at all: object stores do it so, and a folder through a rename."""
        system, root = self._place
        with self._told("written"):
            if self._scheme == "file":
                write_whole(Path(root) / path, data)
            else:
                system.pipe_file(f"{root}/{path}", data)

    def make(self, path: str, data: bytes) -> bool:
        """The same for a file that is not there yet; whether this made it. Of several at once, one does.

        What stands there afterwards decides: a request that was sent twice is refused the second time, and a service
        that knows no conditions lets the last one win."""
        system, root = self._place
        with self._told("written"), suppress(FileExistsError):
            if self._scheme == "file":
                make_whole(Path(root) / path, data)
            else:
                system.pipe_file(f"{root}/{path}", data, mode="create")
        return self.read(path) == data

    def commit(self, files: Mapping[str, bytes], *, may: Callable[[], bool]) -> bool:
        """Write all of it in one commit, if it may be made on top of the last one; whether it was."""
        from huggingface_hub import CommitOperationAdd
        from huggingface_hub.errors import HfHubHTTPError

        system, root = self._place
        with self._told("written"):
            place = system.resolve_path(root)
            of = {"repo_id": place.repo_id, "repo_type": place.repo_type, "revision": place.revision}
            head = system._api.repo_info(**of).sha
            if not may():
                return False
            within = f"{place.path_in_repo}/" if place.path_in_repo else ""
            operations = [CommitOperationAdd(f"{within}{path}", data) for path, data in files.items()]
            try:
                system._api.create_commit(
                    operations=operations, commit_message="Accept baselines", parent_commit=head, **of
                )
            except HfHubHTTPError as error:
                if error.response.status_code != PRECONDITION_FAILED:
                    raise
                return False
        return True

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Whatever a library says of its service, in one sentence."""
        try:
            yield
        except (Refusal, FileNotFoundError):
            raise
        except ImportError as error:
            install = NEEDS.get(self._scheme, "pip install fsspec")
            raise Refusal(f"{self.address} cannot be {what}: {error}; {install}") from error
        except Exception as error:  # each service has its own
            first = (str(error).strip().splitlines() or [""])[0]
            raise Refusal(full_stop(f"{self.address} cannot be {what}: {type(error).__name__}: {first}")) from error
