"""Run by an environment's interpreter: imports what a pipeline needs, and writes what happened, a JSON line each.

The first argument is the file that is written; the others name modules, with an object in them after a colon."""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib import import_module


def import_one(target: str) -> dict[str, str | None]:
    """Import a module, and the object in it; the version that the module states."""
    module, _, name = target.partition(":")
    imported = import_module(module)
    if name:
        getattr(imported, name)
    version = getattr(imported, "__version__", None)
    return {"imported": target, "version": None if version is None else str(version)}


def failure(target: str, error: BaseException) -> dict[str, str | None]:
    """What kept it from being imported: the first cause of what was raised."""
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return {"failed": target, "kind": type(cause).__name__, "message": str(cause)}


def files() -> dict[str, str]:
    """The file of each module that was imported, whoever asked for it."""
    found = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    return {name: file for name, file in found.items() if isinstance(file, str) and os.path.isabs(file)}


def main(path: str, targets: list[str]) -> int:
    """Import one after the other, up to the first that fails."""
    with open(path, "w", encoding="utf-8") as file:
        for target in targets:
            print(json.dumps({"begun": target}), file=file, flush=True)
            try:
                answer = import_one(target)
            except BaseException as error:
                traceback.print_exc()
                print(json.dumps(failure(target, error)), file=file, flush=True)
                return 1
            print(json.dumps(answer), file=file, flush=True)
        print(json.dumps({"files": files()}), file=file, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
