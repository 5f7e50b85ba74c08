"""web/session_state.py: st.session_state is an app's own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from apphub.apps import App
from apphub.web import session_state
from apphub.web.session_state import open_page

SALES = App("Sales", "apps.sales")
CHURN = App("Churn", "apps.churn")
SHARED = App("Shared", "apps.shared", shares_state=True)
SCRIPT = App("Forecast", script="apps/forecast.py")


class Pages:
    """The pages of a session, which it keeps from its first run to its last."""


@pytest.fixture
def session(monkeypatch):
    """Begin a session, and return its state."""

    def session(**state: object) -> dict[str, object]:
        run = SimpleNamespace(pages_manager=Pages())
        monkeypatch.setattr(session_state, "get_script_run_ctx", lambda suppress_warning: run)
        monkeypatch.setattr(session_state.st, "session_state", state)
        return state

    return session


def test_first_run_keeps_what_the_browser_sends(session):
    state = session(year=2030)
    assert not open_page(SALES)
    assert state == {"year": 2030}


def test_state_is_kept_while_the_app_is_open(session):
    state = session()
    open_page(SALES)
    state["year"] = 2030
    assert not open_page(SALES)
    assert state == {"year": 2030}


@pytest.mark.parametrize("other", [CHURN, SCRIPT])
def test_state_is_empty_on_coming_in_from_another_app(session, other):
    state = session()
    open_page(SALES)
    state["password_correct"] = True
    assert open_page(other)
    assert state == {}


def test_state_is_empty_on_coming_back_from_the_home_page(session):
    state = session()
    open_page(SALES)
    state["password_correct"] = True
    assert open_page(None)
    assert open_page(SALES)
    assert state == {}


def test_app_that_shares_state_finds_that_of_the_app_before(session):
    state = session()
    open_page(SALES)
    state["year"] = 2030
    open_page(SHARED)
    assert state == {"year": 2030}
    open_page(None)
    open_page(SHARED)
    assert state == {"year": 2030}
    open_page(SALES)
    assert state == {}


def test_sessions_are_apart(session):
    session()
    open_page(SALES)
    state = session(year=2030)
    assert not open_page(CHURN)
    assert state == {"year": 2030}


class Interrupted(BaseException):
    """A click, while a run reads the state."""


def test_interrupted_clearing_goes_on_in_the_next_run(session, monkeypatch):
    class State(dict):
        interrupt = True

        def __delitem__(self, key: str) -> None:
            super().__delitem__(key)
            if self.interrupt:
                raise Interrupted

    session()
    open_page(SALES)
    state = State(a=1, b=2)
    monkeypatch.setattr(session_state.st, "session_state", state)
    with pytest.raises(Interrupted):
        open_page(CHURN)
    state.interrupt = False
    assert open_page(SALES)
    assert state == {}


def test_without_a_session_nothing_is_done(monkeypatch):
    monkeypatch.setattr(session_state, "get_script_run_ctx", lambda suppress_warning: None)
    assert not open_page(SALES)
