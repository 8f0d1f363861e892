"""Two object services on this machine, as far as baselines need them: the hub's, and Google's."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit


class Service(BaseHTTPRequestHandler):
    """What both have in common. Files are kept in the class, so each use has a subclass of its own."""

    protocol_version = "HTTP/1.1"
    files: ClassVar[dict[str, bytes]]
    lock: ClassVar[threading.Lock]

    def reply(self, data: Any, status: int = 200, **headers: str) -> None:
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def served(kind: type[Service]) -> Iterator[str]:
    """An address at which such a service answers."""
    own = type(kind.__name__, (kind,), {"files": {}, "lock": threading.Lock(), "commits": 0})
    server = ThreadingHTTPServer(("127.0.0.1", 0), own)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Hub(Service):
    """A dataset of the Hugging Face hub, whose commits may name the one that they are made on."""

    commits: ClassVar[int]

    @classmethod
    def head(cls) -> str:
        return hashlib.sha1(str(cls.commits).encode()).hexdigest()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if found := re.fullmatch(r"/datasets/ours/store/resolve/[^/]+/(.*)", path):
            data = self.files.get(found[1])
            if data is None:
                self.missing()
            else:
                self.reply(data, ETag=f'"{_git_hash(data)}"', X_Repo_Commit=self.head())
        elif re.fullmatch(r"/api/datasets/ours/store(/revision/[^/]+)?", path):
            self.reply({"id": "ours/store", "sha": self.head(), "siblings": [], "private": True, "tags": []})
        elif found := re.fullmatch(r"/api/datasets/ours/store/tree/[^/]+/?(.*)", path):
            within = [self.entry(name) for name in self.files if name.startswith(f"{found[1]}/".lstrip("/"))]
            self.reply(within) if within else self.missing()
        else:
            self.reply({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")

    def missing(self) -> None:
        self.reply({"error": "Entry not found"}, 404, X_Error_Code="EntryNotFound")

    def entry(self, name: str) -> dict[str, Any]:
        return {"type": "file", "path": name, "size": len(self.files[name]), "oid": _git_hash(self.files[name])}

    def do_POST(self) -> None:
        path, body = urlsplit(self.path).path, self.body()
        if "/paths-info/" in path:
            asked = json.loads(body)["paths"] if body.startswith(b"{") else parse_qs(body.decode())["paths"]
            self.reply([self.entry(name) for name in asked if name in self.files])
        elif "/preupload/" in path:
            named = [each["path"] for each in json.loads(body)["files"]]
            self.reply({"files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in named]})
        elif "/commit/" in path:
            self.commit([json.loads(line) for line in body.splitlines()])
        else:
            self.reply({"error": path}, 404)

    def commit(self, lines: list[dict[str, Any]]) -> None:
        with self.lock:
            parent = lines[0]["value"].get("parentCommit")
            if parent not in (None, self.head()):
                self.reply({"error": "The expected parent commit does not match"}, 412)
                return
            for line in lines[1:]:
                assert line["key"] == "file", line
                self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            type(self).commits += 1
            self.reply(
                {
                    "success": True,
                    "commitOid": self.head(),
                    "commitUrl": f"http://{self.headers['Host']}/datasets/ours/store/commit/{self.head()}",
                }
            )


class Bucket(Service):
    """A bucket of Google's storage, in which a file can be made on condition that it is not there."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if found := re.fullmatch(r"(/download)?/storage/v1/b/bucket/o/(.+)", parts.path):
            name = unquote(found[2])
            if name not in self.files:
                self.reply({"error": {"code": 404, "message": "Not Found"}}, 404)
            elif query.get("alt") == ["media"]:
                self.reply(self.files[name])
            else:
                self.reply(self.entry(name))
        elif parts.path == "/storage/v1/b/bucket/o":
            prefix = query.get("prefix", [""])[0]
            self.reply({"items": [self.entry(name) for name in sorted(self.files) if name.startswith(prefix)]})
        elif parts.path.startswith("/storage/v1/b/bucket"):
            self.reply({"kind": "storage#bucket", "name": "bucket", "locationType": "region"})
        else:
            self.reply({"error": {"code": 404, "message": "Not Found"}}, 404)

    def entry(self, name: str) -> dict[str, Any]:
        data = self.files[name]
        return {
            "kind": "storage#object",
            "name": name,
            "bucket": "bucket",
            "size": str(len(data)),
            "generation": "1",
            "mediaLink": f"http://{self.headers['Host']}/download/storage/v1/b/bucket/o/{name}?alt=media",
            "md5Hash": base64.b64encode(hashlib.md5(data).digest()).decode(),
            "updated": "2026-03-01T12:30:00Z",
            "timeCreated": "2026-03-01T12:30:00Z",
        }

    def do_POST(self) -> None:
        parts, body = urlsplit(self.path), self.body()
        # --==0== / a header, and what the file is called / --==0== / a header, and the file / --==0==--
        about, _, rest = body.partition(b"\n--==0==\n")
        name = json.loads(about.partition(b"\n\n")[2])["name"]
        data = rest.partition(b"\n\n")[2].removesuffix(b"\n--==0==--")
        with self.lock:
            if parse_qs(parts.query).get("ifGenerationMatch") == ["0"] and name in self.files:
                self.reply({"error": {"code": 412, "message": "conditionNotMet"}}, 412)
                return
            self.files[name] = data
            self.reply(self.entry(name))

    def do_DELETE(self) -> None:
        self.files.pop(unquote(urlsplit(self.path).path.rpartition("/o/")[2]), None)
        self.reply(b"", 204)


def _git_hash(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
