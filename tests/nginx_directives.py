"""Reading the files that server/gateway.py writes, as nginx reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import crossplane

if TYPE_CHECKING:
    from pathlib import Path


def directives(path: Path) -> list[dict]:
    """Return the directives of a file as nginx's grammar has them."""
    parsed = crossplane.parse(str(path), single=True, check_ctx=False, check_args=False)
    assert parsed["status"] == "ok", parsed["errors"]
    return parsed["config"][0]["parsed"]


def constants(found: list[dict]) -> dict[str, str]:
    """Return the variables that geo gives a value, as nginx reads it."""
    blocks = [each for each in found if each["directive"] == "geo"]
    for block in blocks:
        assert [entry["directive"] for entry in block["block"]] == ["default"]
    return {block["args"][0]: unescape(block["block"][0]["args"][0]) for block in blocks}


def unescape(text: str) -> str:
    r"""Return the text of quotes: crossplane turns \" into ", and leaves \\ as it is."""
    return text.replace("\\\\", "\\")


def find_map(found: list[dict], variable: str) -> dict[str, str]:
    """Return the entries of the map that gives a variable its value."""
    [block] = [each for each in found if each["directive"] == "map" and each["args"][1] == variable]
    return {entry["directive"]: entry["args"][0] for entry in block["block"]}


def match(entries: dict[str, str], value: str) -> str:
    """Return what nginx's map gives for a value: its entries are patterns."""
    for pattern, result in entries.items():
        if found := pattern.startswith("~") and re.search(pattern[1:], value):
            return re.sub(r"\$(\d)", lambda group: found[int(group[1])] or "", result)
    return entries["default"].replace("$http_cookie", value)
