"""What the tests of the template share: hooks as modules, and the template run as its users do."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest
from baked import ANSWERS, ROOT
from command_line import run, run_merged, template
from cookiecutter.environment import StrictEnvironment

__all__ = ["load_hook", "run", "template"]

VARIABLES = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))


@pytest.fixture
def load_hook(tmp_path, monkeypatch):
    """Return a hook as a module, rendered as cookiecutter does it. The working folder is empty."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delenv("AUTH_PASSWORD", raising=False)

    def load_hook(name: str, **answers: object) -> ModuleType:
        private = {key: value for key, value in VARIABLES.items() if key[0] == "_"}
        variables = {**private, "_repo_dir": str(ROOT), **ANSWERS, **answers}
        source = (ROOT / "hooks" / f"{name}.py").read_text("utf-8")
        text = StrictEnvironment(context={}).from_string(source).render(cookiecutter=variables)
        module = ModuleType(name)
        exec(compile(text, f"hooks/{name}.py", "exec"), module.__dict__)  # noqa: S102
        return module

    return load_hook


@pytest.fixture
def manage(project):
    """Run manage.py without a terminal, and return its exit status and its output."""

    def manage(*arguments: str, python: tuple[str, ...] = ()) -> tuple[int, str]:
        command = [sys.executable, *python, project.path / "manage.py", *arguments]
        return run_merged(*command, cwd=project.path.parent)

    return manage
