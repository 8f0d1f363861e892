"""Writes the JSON Schemas of `fluxgate report --format json` and of gate.json into docs/."""

from __future__ import annotations

import json
from pathlib import Path

from fluxgate.report.json_schema import gate_schema, json_schema

FILES = {"results.schema.json": json_schema, "gate.schema.json": gate_schema}


def main() -> None:
    for name, schema in FILES.items():
        Path(__file__).with_name(name).write_text(json.dumps(schema(), indent=2) + "\n")


if __name__ == "__main__":
    main()
