"""settings.py: the variables of the environment, and the name in app.json."""

from __future__ import annotations

import json

import pytest

from apphub.settings import (
    Settings,
    SettingsError,
    on_dyno,
    project_name,
    read_settings,
    shows_errors,
)

SECRET = "0123456789abcdef" * 4


def found(**environ: str) -> list[tuple[str, str]]:
    """Return the code and the variable of each finding."""
    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    return [(finding.code, finding.where) for finding in caught.value.findings]


def test_defaults():
    assert read_settings({}) == Settings("", (), 1, 8, 15)
    assert read_settings({"SESSION_SECRET": "", "FRAME_ANCESTORS": ""}) == Settings()


def test_all_variables():
    environ = {"SESSION_SECRET": SECRET, "STREAMLIT_PROCESSES": "2", "NGINX_WORKERS": "16"}
    environ["FRAME_ANCESTORS"] = "https://intranet.example.com, https://*.example.org:8443"
    environ["APP_IDLE_MINUTES"] = "60"
    sites = ("https://intranet.example.com", "https://*.example.org:8443")
    assert read_settings(environ) == Settings(SECRET, sites, 2, 16, 60)


@pytest.mark.parametrize("secret", ["x", "x" * 31, " ", "hunter2", "https://b\udcff", "é" * 15])
def test_short_secret(secret):
    assert found(SESSION_SECRET=secret) == [("settings-secret-length", "SESSION_SECRET")]


@pytest.mark.parametrize("secret", ["", "x" * 32, "x" * 64, "é" * 16, "\udcff" * 32])
def test_valid_secret(secret):
    assert read_settings({"SESSION_SECRET": secret}).session_secret == secret


def test_short_secret_is_not_shown():
    with pytest.raises(SettingsError, match=r"SESSION_SECRET.*secrets\.token_hex") as caught:
        read_settings({"SESSION_SECRET": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "site",
    [
        *["https://a.example", "http://localhost:8080", "https://*.example.org:8443"],
        *["https://intranet", "https://xn--caf-dma.example", "https://192.0.2.1"],
    ],
)
def test_valid_origin(site):
    assert read_settings({"FRAME_ANCESTORS": site}).frame_ancestors == (site,)


@pytest.mark.parametrize(
    "site",
    [
        *["*", "'none'", "intranet", "http://", "https://a/b", "javascript://a", "https://*"],
        *["https://a.*.example", "https://$host", 'https://b"', "https://b:x", "https://b\\"],
        *["elsewhere.example", "é", "https://é.example", "https://b\udcff", "https://b;"],
        *["https://b.example;", "https://a.example\0", "HTTPS://a.example"],
    ],
)
def test_invalid_origin(site):
    assert found(FRAME_ANCESTORS=f"https://a.example {site}") == [
        ("settings-origin", "FRAME_ANCESTORS")
    ]
    with pytest.raises(SettingsError) as caught:
        read_settings({"FRAME_ANCESTORS": site})
    assert repr(site) in str(caught.value)


@pytest.mark.parametrize("sites", ["https://b.example; script-src *", "https://a; script-src *"])
def test_policy_in_place_of_origins(sites):
    """Each of its words is a finding."""
    assert found(FRAME_ANCESTORS=sites) == [("settings-origin", "FRAME_ANCESTORS")] * 3


@pytest.mark.parametrize("separator", [" ", ",", ", ", "\n", "\t,\r\n"])
def test_separators_of_origins(separator):
    sites = ["https://a.example", "https://b.example"]
    environ = {"FRAME_ANCESTORS": separator.join(["", *sites, ""])}
    assert read_settings(environ).frame_ancestors == tuple(sites)


@pytest.mark.parametrize("name", ["STREAMLIT_PROCESSES", "NGINX_WORKERS", "APP_IDLE_MINUTES"])
@pytest.mark.parametrize(
    "value",
    [
        *["", "0", "00", "-1", "1.5", "1e1", "x", " 1", "1 ", "1\n", "٢", "²", "1; user root"],
        *["10000", "01", "+1"],
    ],
)
def test_invalid_number(name, value):
    assert found(**{name: value}) == [("settings-number", name)]


LARGEST = {"STREAMLIT_PROCESSES": 99, "NGINX_WORKERS": 999, "APP_IDLE_MINUTES": 1440}


def test_largest_numbers():
    settings = read_settings({name: str(number) for name, number in LARGEST.items()})
    assert settings == Settings("", (), *LARGEST.values())


@pytest.mark.parametrize(("name", "number"), LARGEST.items())
def test_number_that_is_too_large(name, number):
    assert found(**{name: str(number + 1)}) == [("settings-number", name)]


def test_idle_minutes_hint():
    with pytest.raises(SettingsError) as caught:
        read_settings({"APP_IDLE_MINUTES": "never"})
    assert str(caught.value) == (
        "APP_IDLE_MINUTES: 'never' is not a whole number from 1 to 1440. Set it to 15, or unset it."
    )


def test_all_findings_at_once():
    assert found(SESSION_SECRET="x", FRAME_ANCESTORS="*", NGINX_WORKERS="0") == [
        ("settings-origin", "FRAME_ANCESTORS"),
        ("settings-secret-length", "SESSION_SECRET"),
        ("settings-number", "NGINX_WORKERS"),
    ]


@pytest.mark.parametrize(
    ("environ", "shown"),
    [
        ({}, True),
        ({"DYNO": "web.1"}, False),
        ({"DYNO": "web.1", "SHOW_ERRORS": "1"}, True),
        ({"DYNO": "web.1", "SHOW_ERRORS": ""}, False),
        ({"DYNO": "web.1", "SHOW_ERRORS": "true"}, False),
        ({"SHOW_ERRORS": "0"}, True),
    ],
)
def test_errors_are_shown_on_a_workstation_or_on_request(environ, shown):
    assert shows_errors(environ) == shown
    assert on_dyno(environ) == ("DYNO" in environ)


@pytest.mark.parametrize("name", ["Data Apps", "Café 売上", " x ", "off"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_name_in_app_json(tmp_path, name, encoding):
    (tmp_path / "app.json").write_text(json.dumps({"name": name}, ensure_ascii=False), encoding)
    assert project_name(tmp_path) == name


@pytest.mark.parametrize(
    "content",
    [
        *[None, b"", b"[]", b"{}", b"null", b'{"name": 1}', b'{"name": null}', b'{"name": " "}'],
        *[b'{"name": ""}', b"{", b"\xff\xfe{", b"[" * 100_000],
    ],
    ids=lambda content: repr(content)[:20],
)
def test_name_without_a_valid_app_json(tmp_path, content):
    if content is not None:
        (tmp_path / "app.json").write_bytes(content)
    assert project_name(tmp_path) == "Apps"


def test_half_a_character_in_the_name(tmp_path):
    (tmp_path / "app.json").write_text('{"name": "A\\udc00"}')
    assert project_name(tmp_path) == "A?"
