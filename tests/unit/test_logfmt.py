"""logfmt.py: each line of the log has its level, its user and its app, and nobody can forge one."""

from __future__ import annotations

import io
import logging.config
import sys
from types import SimpleNamespace

import pytest
from streamlit import logger as streamlit_logger

from apphub import logfmt
from apphub.logfmt import LogfmtFormatter, quote_value


class Pages:
    """The pages of a session; logfmt keeps the app under it."""


@pytest.fixture
def script_run(monkeypatch):
    """Have this thread run a script for a user."""

    def script_run(**user_info: object) -> None:
        run = SimpleNamespace(user_info=user_info, pages_manager=Pages())
        monkeypatch.setattr(logfmt, "get_script_run_ctx", lambda suppress_warning: run)

    return script_run


def lines(message: str, level: int = logging.WARNING, error: object = None) -> list[str]:
    """Return the lines of a record."""
    record = logging.LogRecord("apps", level, __file__, 1, message, None, error)
    return LogfmtFormatter().format(record).split("\n")


@pytest.mark.parametrize(
    ("level", "word"),
    [
        (logging.DEBUG, "debug"),
        (logging.INFO, "info"),
        (logging.WARNING, "warning"),
        (logging.ERROR, "error"),
        (logging.CRITICAL, "error"),
    ],
)
def test_level(level, word):
    assert lines("x", level) == [f"at={word} apps: x"]


@pytest.mark.parametrize(
    ("user_info", "app", "begin"),
    [
        ({"name": "anna.b"}, "sales_report", "at=warning user=anna.b app=sales_report apps: "),
        ({"name": "anna.b"}, "売上", "at=warning user=anna.b app=売上 apps: "),
        ({"name": "anna.b"}, "", "at=warning user=anna.b apps: "),
        ({"name": None}, "", "at=warning apps: "),
        ({}, "", "at=warning apps: "),
        (
            {"name": "Eve\nat=info user=anna.b"},
            "a b",
            r'at=warning user="Eve\nat=info user=anna.b" app="a b" apps: ',
        ),
        ({"name": "Eve\u2028"}, 'a"b', r'at=warning user="Eve\u2028" app="a\"b" apps: '),
    ],
)
def test_no_name_forges_a_line(script_run, user_info, app, begin):
    """They have rules of their own, in users.py and menu.py. This holds without them."""
    script_run(**user_info)
    logfmt.set_current_app(app)
    assert lines("one\ntwo") == [f"{begin}one", f"{begin}two"]


@pytest.mark.parametrize("sign", ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028"])
def test_no_message_forges_a_line(sign):
    assert lines(f"one{sign}at=info user=eve") == [
        "at=warning apps: one",
        "at=warning apps: at=info user=eve",
    ]


def test_control_characters_are_shown():
    assert lines("\x1b[1A\0\x7f\x9b a\tb") == [r"at=warning apps: \x1b[1A\x00\x7f\x9b a" + "\tb"]


def test_empty_message_is_a_line():
    assert lines("") == ["at=warning apps: "]


def test_each_line_of_a_traceback(script_run):
    script_run(name="bob")
    logfmt.set_current_app("fails")
    try:
        raise RuntimeError("no data today\nat=info user=eve")
    except RuntimeError:
        shown = lines("it failed", logging.ERROR, sys.exc_info())
    assert shown[:2] == [
        "at=error user=bob app=fails apps: it failed",
        "at=error user=bob app=fails apps: Traceback (most recent call last):",
    ]
    assert shown[-1] == "at=error user=bob app=fails apps: at=info user=eve"
    assert all(line.startswith("at=error user=bob app=fails apps: ") for line in shown)


def test_app_is_the_one_that_this_session_has_open(script_run):
    script_run(name="anna")
    logfmt.set_current_app("sales")
    assert logfmt.log_context() == {"user": "anna", "app": "sales"}
    logfmt.set_current_app("")
    assert logfmt.log_context() == {"user": "anna"}
    logfmt.set_current_app("sales")
    script_run(name="bob")  # another session
    assert logfmt.log_context() == {"user": "bob"}


def test_thread_without_a_script_has_no_context():
    logfmt.set_current_app("sales")
    assert logfmt.log_context() == {}


@pytest.mark.parametrize(
    ("value", "word"), [("anna.b@x-y_z", "anna.b@x-y_z"), ("", '""'), ("a b", '"a b"')]
)
def test_value_is_one_word(value, word):
    assert quote_value(value) == word


# -- The loggers -----------------------------------------------------------------------------------


@pytest.fixture
def configured(monkeypatch):
    """The configured loggers, with their output; they are as before after the test."""
    root, names = logging.getLogger(), ["uvicorn", "uvicorn.error", "uvicorn.access"]
    loggers = {name: logging.getLogger(name) for name in names}
    loggers |= dict(streamlit_logger._loggers)
    before = {
        name: (list(logger.handlers), logger.propagate, logger.level)
        for name, logger in loggers.items()
    }
    handlers, level = list(root.handlers), root.level
    # They are replaced in both modules, and put back.
    monkeypatch.setattr(logging, "basicConfig", logging.basicConfig)
    for name in ("setup_formatter", "update_formatter"):
        monkeypatch.setattr(streamlit_logger, name, getattr(streamlit_logger, name))
    for name in ("_handler", "_process_app"):
        monkeypatch.setattr(logfmt, name, getattr(logfmt, name))
    output = io.StringIO()
    monkeypatch.setattr(sys, "stderr", output)
    for handler in handlers:
        root.removeHandler(handler)
    logfmt.configure_logging()
    yield output
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, logger in loggers.items():
        logger.handlers[:], logger.propagate = before[name][:2]
        logger.setLevel(before[name][2])


def test_all_loggers_write_logfmt(configured):
    logging.getLogger("apps").warning("one")
    streamlit_logger.get_logger("streamlit.later").warning("two")
    logging.getLogger("uvicorn.error").error("three")
    assert configured.getvalue().splitlines() == [
        "at=warning apps: one",
        "at=warning streamlit.later: two",
        "at=error uvicorn.error: three",
    ]


def test_addresses_of_requests_are_not_logged(configured):
    """They may have secrets in their query strings; nginx logs requests, without those."""
    logging.getLogger("uvicorn.error").info('"WebSocket /_stcore/stream?secret" [accepted]')
    streamlit_logger.get_logger("uvicorn.access").warning("GET /?secret")
    assert configured.getvalue() == ""


def test_app_sets_the_level_and_adds_no_second_line(configured):
    logging.getLogger("apps.writes").info("too early")
    logging.basicConfig()
    logging.getLogger("apps.writes").info("too early")
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)
    logging.getLogger("apps.writes").info("all is well")
    assert configured.getvalue() == "at=info apps.writes: all is well\n"


def test_handler_comes_back_after_dict_config(configured):
    """The level stays."""
    before = logging.getLogger("apps")
    handler = {"class": "logging.NullHandler"}
    root = {"level": "INFO", "handlers": ["null"]}
    logging.config.dictConfig({"version": 1, "handlers": {"null": handler}, "root": root})
    before.error("lost")
    logfmt.repair_logging()
    before.info("one")
    assert configured.getvalue() == "at=info apps: one\n"


def test_disabled_log_is_enabled_again(configured):
    logging.disable(logging.CRITICAL)
    logfmt.repair_logging()
    logging.getLogger("apps").error("one")
    assert configured.getvalue() == "at=error apps: one\n"


def test_process_of_one_app_has_it_in_each_line(configured, script_run):
    logging.getLogger().handlers.clear()
    logfmt.configure_logging(app="forecast")
    logfmt._handler.setStream(configured)
    logging.getLogger("uvicorn.error").warning("one")
    script_run(name="anna")
    logging.getLogger("mine").warning("two")
    assert configured.getvalue().splitlines() == [
        "at=warning app=forecast uvicorn.error: one",
        "at=warning user=anna app=forecast mine: two",
    ]
