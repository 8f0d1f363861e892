"""Writes docs/results.schema.json, the JSON Schema of `fluxgate report --format json`."""

from __future__ import annotations

import json
from pathlib import Path

from fluxgate.report.json_schema import json_schema

FILE = Path(__file__).with_name("results.schema.json")


def main() -> None:
    FILE.write_text(json.dumps(json_schema(), indent=2) + "\n")


if __name__ == "__main__":
    main()
