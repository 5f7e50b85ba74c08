"""Calls that Streamlit has removed, and what replaces them.

https://docs.streamlit.io/develop/quick-reference/release-notes
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

REPLACEMENTS = {
    "beta_columns": "columns",
    "beta_container": "container",
    "beta_expander": "expander",
    "beta_set_page_config": "set_page_config",
    "beta_secrets": "secrets",
    "bokeh_chart": "components",
    "cache": "cache_data or st.cache_resource",
    "experimental_audio_input": "audio_input",
    "experimental_connection": "connection",
    "experimental_data_editor": "data_editor",
    "experimental_dialog": "dialog",
    "experimental_fragment": "fragment",
    "experimental_get_query_params": "query_params",
    "experimental_memo": "cache_data",
    "experimental_rerun": "rerun",
    "experimental_set_query_params": "query_params",
    "experimental_show": "write",
    "experimental_singleton": "cache_resource",
    "experimental_user": "user",
}
PREFIXES = ("beta_", "experimental_")


class RemovedCall(NamedTuple):
    """A call that fails.

    Attributes:
        line: its line.
        name: the call: "st.experimental_rerun".
        replacement: what does the same today; "" where it is not known.
    """

    line: int
    name: str
    replacement: str

    def __str__(self) -> str:
        """Return it with its replacement, as in a list."""
        return f"{self.name} (now {self.replacement})" if self.replacement else self.name


def find_removed_calls(tree: ast.Module) -> Iterator[RemovedCall]:
    """Yield the calls in a file that its version of Streamlit had, and today's has not."""
    modules: set[str] = set()
    names: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {a.asname or a.name for a in node.names if a.name == "streamlit"}
        elif isinstance(node, ast.ImportFrom) and node.module == "streamlit":
            names |= {alias.name: node.lineno for alias in node.names}
    for name, line in names.items():
        if _is_removed(name):
            yield _describe(line, name)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(ast.Name(module), name) if module in modules and _is_removed(name):
                yield _describe(node.lineno, name)
            case ast.Call(
                ast.Attribute(ast.Name(module), "set_option"), [ast.Constant(str(key)), _]
            ) if module in modules and key.startswith("deprecation."):
                yield RemovedCall(node.lineno, f'st.set_option("{key}")', "without it")


def _is_removed(name: str) -> bool:
    return name in REPLACEMENTS or name.startswith(PREFIXES)


def _describe(line: int, name: str) -> RemovedCall:
    replacement = REPLACEMENTS.get(name, "")
    return RemovedCall(line, f"st.{name}", f"st.{replacement}" if replacement else "")
