"""Git repositories of a small package that builds itself, without anything from elsewhere."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

# A build backend in the tree: a wheel of the package's one module, whatever that says.
BACKEND = """
import zipfile

def build_wheel(folder, settings=None, metadata=None):
    name = "{name}-{version}-py3-none-any.whl"
    info = "{name}-{version}.dist-info"
    files = {{
        "{name}.py": open("{name}.py").read(),
        f"{{info}}/METADATA": "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n",
        f"{{info}}/WHEEL": "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }}
    files[f"{{info}}/RECORD"] = "".join(f"{{path}},,\\n" for path in (*files, f"{{info}}/RECORD"))
    with zipfile.ZipFile(f"{{folder}}/{{name}}", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
"""
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
UNBUILDABLE = "raise RuntimeError('no compiler')\n"


class Repository:
    """A repository in which each commit says what the module is."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        author = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        nobodys = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        command = ("git", *author, *arguments)
        return subprocess.run(command, cwd=self.folder, env=nobodys, check=True, capture_output=True, text=True).stdout

    def commit(
        self,
        title: str,
        code: str = "",
        *,
        version: str = "1.1.dev0",
        backend: str | None = None,
        tags: Sequence[str] = (),
    ) -> str:
        """The first characters of the new commit's hash."""
        text = BACKEND.format(name=self.name, version=version) if backend is None else backend
        for name, content in {"pyproject.toml": PROJECT, "backend.py": text, f"{self.name}.py": code}.items():
            (self.folder / name).write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={title}")
        for tag in tags:
            self.git("tag", tag)
        return self.git("rev-parse", "HEAD")[:12]
