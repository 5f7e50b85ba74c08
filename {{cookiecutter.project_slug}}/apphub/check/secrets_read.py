"""Which secrets and variables a module reads, found in its syntax tree. It is not run."""

from __future__ import annotations

import ast
from typing import NamedTuple

from apphub.check.imports import imported_names, referenced_names

SECRETS = ("streamlit", "secrets")
ENVIRON = ("os", "environ")
GETENV = ("os", "getenv")
MODULES = {"streamlit", "os"}
# Methods of a mapping of secrets. Any other attribute is a secret's name.
METHODS = {"get", "has_key", "items", "keys", "load_if_toml_exists", "to_dict", "values"}
# What is raised where a secret, a table or the whole file is missing.
ERRORS = {
    *("AttributeError", "BaseException", "Exception", "FileNotFoundError", "KeyError"),
    *("LookupError", "StreamlitSecretNotFoundError"),
}


class Secret(NamedTuple):
    """A secret that a module reads.

    Attributes:
        names: the names of the tables that it is in, and its own; one name for a variable.
        line: where the module reads it.
        is_variable: whether it is a variable of the environment.
        optional: whether the module goes on without it: it has a default or tests for the name,
            or something catches the error.
    """

    names: tuple[str, ...]
    line: int
    is_variable: bool = False
    optional: bool = False

    def __str__(self) -> str:
        """Return it as Python reads it: st.secrets["db"]["password"]."""
        keys = "".join(f'["{name}"]' for name in self.names)
        return f"{'os.environ' if self.is_variable else 'st.secrets'}{keys}"


def find_secrets(tree: ast.Module) -> list[Secret]:
    """Return the secrets that a module reads, in the order of its lines.

    Args:
        tree: the module's syntax tree.
    """
    reader = _Reader(tree)
    reader.visit(tree)
    found = (
        secret._replace(optional=secret.optional or _key(secret) in reader.tested)
        for secret in reader.found
        if _key(secret) not in reader.written
    )
    return sorted(found, key=lambda secret: secret.line)


def _key(secret: Secret) -> tuple[str, ...]:
    return (*(ENVIRON if secret.is_variable else SECRETS), *secret.names)


class _Reader(ast.NodeVisitor):
    """Collects the secrets of one module.

    Attributes:
        found: those that it reads.
        tested: those of which it asks whether they are there.
        written: the variables that it sets itself.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.found: list[Secret] = []
        self.tested: set[tuple[str, ...]] = set()
        self.written: set[tuple[str, ...]] = set()
        self._is_optional = False
        paths = {name: tuple(of.split(".")) for name, of in imported_names(tree).items()}
        self._names = {name: path for name, path in paths.items() if path[0] in MODULES}
        for node in ast.walk(tree):
            match node:  # secrets = st.secrets
                case ast.Assign([ast.Name(name)], value):
                    if (path := self._resolve(value)) in (SECRETS, ENVIRON):
                        self._names.setdefault(name, path)

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        """Visit a statement whose body may fail."""
        catches = any(
            not handler.type or referenced_names(handler.type) & ERRORS for handler in node.handlers
        )
        self._visit_body(node.body, catches)
        for child in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(child)

    visit_TryStar = visit_Try

    def visit_With(self, node: ast.With) -> None:
        """Visit a statement that may be `with suppress(KeyError):`."""
        for item in node.items:
            self.visit(item)
        self._visit_body(node.body, any(referenced_names(item) & ERRORS for item in node.items))

    def _visit_body(self, body: list[ast.stmt], is_optional: bool) -> None:
        before, self._is_optional = self._is_optional, self._is_optional or is_optional
        for statement in body:
            self.visit(statement)
        self._is_optional = before

    def visit_Compare(self, node: ast.Compare) -> None:
        """Visit a comparison, which may be `"api_key" in st.secrets`."""
        match node:
            case ast.Compare(ast.Constant(str(name)), [ast.In() | ast.NotIn()], [container]):
                if path := self._resolve(container):
                    self.tested.add((*path, name))
                    return
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Visit a call, which may be `st.secrets.get("api_key")` or need a table of secrets."""
        match node:
            case ast.Call(ast.Attribute(value, "setdefault"), [ast.Constant(str(name)), *_]):
                self.written.add((*(self._resolve(value) or ()), name))
        if names := self._find_table(node):
            self.found.append(Secret(names, node.lineno, optional=self._is_optional))
        if path := self._resolve(node):
            has_default = len(node.args) + len(node.keywords) > 1
            self._add(path, node.lineno, self._is_optional or has_default)
            arguments = node.args[1:]
        else:
            # What is called is a method of a value: st.secrets.api_key.strip().
            self.visit(node.func.value if isinstance(node.func, ast.Attribute) else node.func)
            arguments = node.args
        for child in (*arguments, *node.keywords):
            self.visit(child)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """Visit `st.secrets["api_key"]` or `os.environ["API_KEY"]`, read or written."""
        path = self._resolve(node)
        if path and isinstance(node.ctx, ast.Load):
            self._add(path, node.lineno, self._is_optional)
        elif path:
            self.written.add(path)
        else:
            self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Visit `st.secrets.api_key`."""
        if path := self._resolve(node):
            self._add(path, node.lineno, self._is_optional)
        else:
            self.generic_visit(node)

    def _add(self, path: tuple[str, ...], line: int, optional: bool) -> None:
        if names := path[len(SECRETS) :]:
            self.found.append(Secret(names, line, path[:2] == ENVIRON, optional))

    def _resolve(self, node: ast.AST) -> tuple[str, ...] | None:
        """Return the full name of what an expression is, or None where it is something else.

        It begins with SECRETS or ENVIRON; what is before them is a module's name.
        """
        match node:
            case ast.Name(name):
                return self._names.get(name)
            case ast.Attribute(value, name):
                return self._resolve_attribute(self._resolve(value), name)
            case ast.Subscript(value, ast.Constant(str(name))):
                return self._resolve_key(self._resolve(value), name)
            case ast.Call(ast.Attribute(value, "get"), [ast.Constant(str(name)), *_]):
                return self._resolve_key(self._resolve(value), name)
            case ast.Call(function, [ast.Constant(str(name)), *_]):
                return (*ENVIRON, name) if self._resolve(function) == GETENV else None
        return None

    @staticmethod
    def _resolve_attribute(path: tuple[str, ...] | None, name: str) -> tuple[str, ...] | None:
        if not path:
            return None
        if len(path) == 1:
            return (*path, name)
        return (*path, name) if path[:2] == SECRETS and name not in METHODS else None

    @staticmethod
    def _resolve_key(path: tuple[str, ...] | None, name: str) -> tuple[str, ...] | None:
        return (*path, name) if path == ENVIRON or (path and path[:2] == SECRETS) else None

    def _find_table(self, call: ast.Call) -> tuple[str, ...]:
        """Return the table that Streamlit reads for this call, as names."""
        function = self._resolve(call.func)
        match call.args:
            case [ast.Constant(str(provider))] if function == ("streamlit", "login"):
                return ("auth", provider)
            case [] if function == ("streamlit", "login"):
                return ("auth",)
            case [ast.Constant(str(name))] if function == ("streamlit", "connection"):
                options = {keyword.arg for keyword in call.keywords}
                is_sql = any(
                    keyword.arg == "type" and getattr(keyword.value, "value", None) == "sql"
                    for keyword in call.keywords
                )
                if is_sql and options <= {"type", "ttl", "max_entries"}:
                    return ("connections", name)
        return ()
