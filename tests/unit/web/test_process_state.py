"""web/process_state.py: what an app changes in its process does not reach the other apps."""

from __future__ import annotations

import logging.config
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from apphub.web import process_state
from apphub.web.process_state import ProcessState


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project's root, which the process is in."""
    monkeypatch.setattr(process_state, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["streamlit", "run", "app.py"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "apps").mkdir()
    return tmp_path


def test_arguments_are_the_apps(project):
    with ProcessState(project / "apps/a.py"):
        assert sys.argv == [str(project / "apps/a.py")]
        sys.argv.append("--rows")
    with ProcessState(project / "apps/b.py"):
        assert sys.argv == [str(project / "apps/b.py")]


def test_working_folder_is_restored_after_a_run(project):
    with ProcessState(project):
        os.chdir("apps")
    assert Path.cwd() == project


def test_working_folder_that_a_fragment_left_is_restored_before_a_run(project):
    os.chdir("apps")
    with ProcessState(project):
        assert Path.cwd() == project


def test_working_folder_may_be_gone(project):
    os.chdir("apps")
    shutil.rmtree(project / "apps")
    with ProcessState(project):
        assert Path.cwd() == project


def test_it_is_restored_after_an_error(project):
    def leave() -> None:
        with ProcessState(project):
            os.chdir("apps")
            raise SystemExit

    with pytest.raises(SystemExit):
        leave()
    assert Path.cwd() == project


class RcParams(dict):
    """As matplotlib's: an access chooses a backend, and a change is checked."""

    def __getitem__(self, name: str) -> object:
        raise AssertionError(name)

    __setitem__ = items = update = __getitem__


@pytest.fixture
def matplotlib(monkeypatch) -> SimpleNamespace:
    original = {"font.size": 10.0, "font.family": ["sans-serif"], "backend": object()}
    module = SimpleNamespace(rcParams=RcParams(original), rcParamsOrig=RcParams(original))
    monkeypatch.setitem(sys.modules, "matplotlib", module)
    return module


def test_parameters_of_matplotlib_are_restored(project, matplotlib):
    parameters = matplotlib.rcParams
    with ProcessState(project):
        dict.update(parameters, {"font.size": 30.0, "font.family": ["serif"], "backend": "agg"})
        dict.pop(parameters, "font.family")
    assert dict.get(parameters, "font.size") == 10.0
    assert dict.get(parameters, "font.family") == ["sans-serif"]
    assert dict.get(parameters, "backend") == "agg"
    dict.update(parameters, {"font.size": 30.0})
    with ProcessState(project):
        assert dict.get(parameters, "font.size") == 10.0


@pytest.mark.parametrize("module", [None, SimpleNamespace(), SimpleNamespace(rcParams={})])
def test_matplotlib_may_be_missing_or_another_one(project, monkeypatch, module):
    monkeypatch.setitem(sys.modules, "matplotlib", module)
    with ProcessState(project):
        pass


def test_loggers_that_dict_config_disables_are_enabled_after_the_run(project, caplog):
    logger = logging.getLogger("apps.other")
    handlers = list(logging.getLogger().handlers)
    with ProcessState(project):
        logging.config.dictConfig({"version": 1})
        logging.disable(logging.CRITICAL)
        assert logger.disabled
    logging.getLogger().handlers[:] = handlers  # pytest's own
    logger.error("it failed")
    assert caplog.messages == ["it failed"]
