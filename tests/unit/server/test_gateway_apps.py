"""apps.conf: which process answers whom. How nginx reads it: tests/dyno/test_app_routing.py."""

from __future__ import annotations

import pytest
from nginx_directives import directives, find_map, match, unescape

from apphub.apps import App
from apphub.paths import app_socket
from apphub.server import gateway

FORECAST = App("Forecast", script="apps/forecast/app.py", users=("anna.b", "bob"))
SEVERAL = App("Several", script="apps/several-2.py", processes=3)


@pytest.fixture
def write(project, tmp_path):
    """Write apps.conf for some apps, and return its directives."""

    def write(*apps: App) -> list[dict]:
        gateway.write_apps(apps, project.path, runtime=tmp_path)
        return directives(project.path / "config/generated/apps.conf")

    return write


def entries(found: list[dict], variable: str) -> dict[str, str]:
    """Return a map's entries, as nginx reads its quotes."""
    return {unescape(key): value for key, value in find_map(found, variable).items()}


def servers(found: list[dict]) -> dict[str, list[str]]:
    """Return the sockets of each upstream."""
    return {
        block["args"][0]: [
            each["args"][0] for each in block["block"] if each["directive"] == "server"
        ]
        for block in found
        if block["directive"] == "upstream"
    }


def test_without_apps_the_hub_answers(write):
    found = write()
    assert find_map(found, "$backend") == {"default": "$streamlit"}
    assert find_map(found, "$app_page") == {"default": ""}
    assert find_map(found, "$app_process_cookie") == {"default": ""}
    assert len(found) == 3


def test_an_address_belongs_to_the_app_of_its_first_part(write):
    backend = entries(write(FORECAST, SEVERAL), "$backend")
    for uri in ("/forecast", "/forecast/", "/forecast/a/b"):
        assert match(backend, uri) == "$app_1"
    for uri in ("/several-2", "/several-2/x"):
        assert match(backend, uri) == "$app_2"
    for uri in (
        "/",
        "/forecast2",
        "/Forecast",
        "/x/forecast",
        "/forecast\n",
        "/several_2",
        "/forecas",
    ):
        assert match(backend, uri) == "$streamlit"


def test_only_its_users_get_to_an_app(write):
    found = write(FORECAST, SEVERAL)
    only_two, everybody = entries(found, "$app_1"), entries(found, "$app_2")
    for user in ("anna.b", "bob"):
        assert match(only_two, user) == "app_1"
    for user in ("anna", "anna.bb", "annaxb", "Bob", "bobby", ""):
        assert match(only_two, user) == "$streamlit"
    assert match(everybody, "carl") == "$app_2_process"
    assert match(everybody, "") == "$streamlit"


def test_each_process_has_an_upstream_of_its_own(write, tmp_path):
    sockets = {"app_1": ("forecast", 1)}
    sockets |= {f"app_2_{number}": ("several-2", number) for number in (1, 2, 3)}
    assert servers(write(FORECAST, SEVERAL)) == {
        name: [f"unix:{app_socket(*where, tmp_path)}"] for name, where in sockets.items()
    }


def test_the_cookie_names_the_process(write):
    found = write(FORECAST, SEVERAL)
    [shares] = [each for each in found if each["directive"] == "split_clients"]
    assert shares["args"] == ["$request_id", "$app_2_any"]
    assert [(each["directive"], each["args"]) for each in shares["block"]] == [
        ("33.33%", ["1"]),
        ("33.33%", ["2"]),
        ("*", ["3"]),
    ]
    known = {"1": "1", "2": "2", "3": "3"}
    assert find_map(found, "$app_2_number") == {"default": "$app_2_any", **known}
    upstreams = {"default": "app_2_1", "2": "app_2_2", "3": "app_2_3"}
    assert find_map(found, "$app_2_process") == upstreams
    cookie = "$app_process_cookie_name=$app_2_number; Path=/several-2; $set_cookie_attributes"
    assert find_map(found, "$app_2_cookie") == {"default": cookie, "1": "", "2": "", "3": ""}
    cookies = entries(found, "$app_process_cookie")
    assert match(cookies, "app_2_3") == "$app_2_cookie"
    for backend in ("streamlit", "app_1", "app_22_3", "streamlit_2"):
        assert match(cookies, backend) == ""


def test_the_cookies_path_is_encoded_as_browsers_do(write):
    found = write(App("Café", script="apps/café.py", processes=2))
    assert "; Path=/caf%C3%A9; " in find_map(found, "$app_1_cookie")["default"]


def test_each_document_has_its_page(write, project):
    apps = [App(f"App {number}", script=f"apps/a{number}.py") for number in range(1, 12)]
    pages = entries(write(*apps, SEVERAL), "$app_page")
    for number in (1, 10, 11):
        assert match(pages, f"1:app_{number}") == f"/app_{number}.html"
        assert match(pages, f":app_{number}") == ""
        page = project.path / f"config/generated/pages/app_{number}.html"
        assert f"<title>App {number}</title>" in page.read_text("utf-8")
    assert match(pages, "1:app_12_3") == "/app_12.html"
    assert match(pages, "1:streamlit") == ""


def test_without_streamlits_page_its_process_sends_it(write, project, monkeypatch):
    monkeypatch.setattr(gateway, "read_index_html", lambda: "")
    assert find_map(write(FORECAST), "$app_page") == {"default": ""}
    assert not (project.path / "config/generated/pages").exists()


def test_fifty_apps(write):
    found = write(*(App(f"App {n}", script=f"apps/a{n}.py", processes=n) for n in range(1, 51)))
    assert len(entries(found, "$backend")) == 51
    assert len(servers(found)) == sum(range(1, 51))
