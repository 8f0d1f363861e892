"""A small server on loopback that speaks the hub's protocol for one repository, and can fail in the hub's ways."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_good"
LARGE = 100_000_000  # bytes


@dataclass
class Hub:
    """One repository at one commit, and what is wrong with it."""

    folder: Path
    repository: str = "storybook/miniature"
    commit: str = COMMIT
    gated: bool = False  # files only for the good token
    private: bool = False  # without it the repository does not seem to exist
    refused: int | None = None  # a status for every request
    cut_after: int | None = None  # bytes of a weight file until the connection breaks
    cuts: int = 1_000_000  # how often it breaks
    requests: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    def files(self) -> dict[str, Path]:
        return {
            path.relative_to(self.folder).as_posix(): path for path in sorted(self.folder.rglob("*")) if path.is_file()
        }

    def fetched(self) -> set[str]:
        """The files whose content was asked for."""
        return {
            path.partition(f"/resolve/{self.commit}/")[2] or path for method, path in self.requests if method == "GET"
        }


@contextlib.contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve the hub on a free port for as long as the block runs."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path))
        trusted = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if self.hub.refused is not None:
            self._error(self.hub.refused)
        elif path.startswith("/cdn/"):
            self._content(self.hub.files()[path.removeprefix("/cdn/")], body=body, weights=True)
        elif self.hub.repository not in path or (self.hub.private and not trusted):
            self._error(404 if trusted else 401, "RepoNotFound")
        elif path.startswith("/api/"):
            self._listing(path)
        else:
            self._file(path, trusted=trusted, body=body)

    def _error(self, status: int, code: str = "") -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _listing(self, path: str) -> None:
        if not re.search(rf"(/(revision|tree)/{self.hub.commit}|{self.hub.repository}(/revision/main)?)$", path):
            self._error(404, "RevisionNotFound")
            return
        files = self.hub.files()
        info: dict[str, object] = {
            "id": self.hub.repository,
            "modelId": self.hub.repository,
            "sha": self.hub.commit,
            "private": False,
            "tags": [],
        }
        info["gated"] = "auto" if self.hub.gated else False
        siblings = [{"rfilename": name} for name in files]
        tree = [
            {"type": "file", "oid": _etag(file), "size": file.stat().st_size, "path": name}
            for name, file in files.items()
        ]
        self._json(tree if "/tree/" in path else {**info, "siblings": siblings})

    def _json(self, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _file(self, path: str, *, trusted: bool, body: bool) -> None:
        _, _, rest = path.partition("/resolve/")
        revision, _, name = rest.partition("/")
        file = self.hub.files().get(name)
        if revision != self.hub.commit:
            self._error(404, "RevisionNotFound")
        elif self.hub.gated and not trusted:
            self._error(403 if "Authorization" in self.headers else 401, "GatedRepo")
        elif file is None:
            self._error(404, "EntryNotFound")
        elif name.endswith(".safetensors"):
            self._elsewhere(name, file)
        else:
            self._content(file, body=body, weights=False)

    def _elsewhere(self, name: str, file: Path) -> None:
        """Large files lie on another server, as the hub's do."""
        self.send_response(302)
        self.send_header("Location", f"{self.hub.url}/cdn/{name}")
        self.send_header("X-Repo-Commit", self.hub.commit)
        self.send_header("X-Linked-Etag", f'"{_etag(file)}"')
        self.send_header("X-Linked-Size", str(file.stat().st_size))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _content(self, file: Path, *, body: bool, weights: bool) -> None:
        data = file.read_bytes()
        resumed = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(resumed[1]) if resumed else 0
        self.send_response(206 if resumed else 200)
        self.send_header("ETag", f'"{_etag(file)}"')
        self.send_header("X-Repo-Commit", self.hub.commit)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - start))
        if resumed:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if body:
            self._send(data[start:], weights=weights, begun=start)

    def _send(self, data: bytes, *, weights: bool, begun: int) -> None:
        if weights and self.hub.cut_after is not None and self.hub.cuts > 0:
            self.hub.cuts -= 1
            self.wfile.write(data[: max(0, self.hub.cut_after - begun)])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(data)


def _etag(file: Path) -> str:
    if file.stat().st_size > LARGE:  # a sparse file, whose zeros nobody reads
        return hashlib.sha1(f"{file.name} {file.stat().st_size}".encode()).hexdigest()
    return hashlib.sha1(file.read_bytes()).hexdigest()
