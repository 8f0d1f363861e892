"""The JSON Schemas of what programs read, the report and a gate's result, made from the fields that these have."""

from __future__ import annotations

from typing import Any

import msgspec

from fluxgate.judge.verdict import STATUSES
from fluxgate.report.gate_result import SCHEMA as GATE_SCHEMA
from fluxgate.report.gate_result import GateResult
from fluxgate.report.report import SCHEMA, Report

DRAFT = "http://json-schema.org/draft-07/schema#"  # the one that most validators know


def json_schema() -> dict[str, Any]:
    """What `fluxgate report --format json` keeps to; later fields are added, so others may be there."""
    made = _draft_7(msgspec.json.schema(Report))
    made["$defs"]["Verdict"]["properties"]["status"] = {"enum": list(STATUSES)}
    made["$defs"]["Report"]["properties"]["schema"] = {"const": SCHEMA}
    made["$defs"]["Report"]["required"].append("schema")
    return {"$schema": DRAFT, "title": "What fluxgate report --format json writes", **made}


def gate_schema() -> dict[str, Any]:
    """What `gate.json` keeps to."""
    made = _draft_7(msgspec.json.schema(GateResult))
    made["$defs"]["GateResult"]["properties"]["schema"] = {"const": GATE_SCHEMA}
    made["$defs"]["GateResult"]["required"].append("schema")
    return {"$schema": DRAFT, "title": "What fluxgate gate writes into gate.json", **made}


def _draft_7(schema: Any) -> Any:
    """The same in the words of draft 7. A number that is not finite is written as null."""
    if isinstance(schema, list):
        return [_draft_7(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    properties = {name: _draft_7(value) for name, value in schema.items()}
    if properties.get("type") == "number":
        properties["type"] = ["number", "null"]
    if "prefixItems" in properties:
        properties["additionalItems"] = properties.pop("items", False)
        properties["items"] = properties.pop("prefixItems")
    return properties
