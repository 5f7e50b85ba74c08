"""config/nginx.conf.erb, rendered by erb and read by nginx, with no Streamlit behind it."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
import requests
from baked import NASTY, PASSWORD
from dyno import Dyno

NAMES = {
    **{key: name[:30].strip() for key, name in NASTY.items()},
    "variable": "$host",
    "quote": 'a"; return 200; #',
    "newline": "a\nreturn 200;",
    "backslash": "a\\",
    "long": "x" * 5000,
    "off in capitals": "OFF",
}


@pytest.fixture
def render(project, nginx):
    """Render the configuration with some environment, as start-nginx does."""

    def render(**environment: str) -> str:
        rendered = subprocess.run(
            ["erb", "config/nginx.conf.erb"],
            cwd=project.path,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "PORT": "8000", **environment},
            capture_output=True,
            text=True,
        )
        assert rendered.returncode == 0, rendered.stderr
        return rendered.stdout

    return render


def body_limit(configuration: str) -> str:
    return re.search(r"client_max_body_size (\w+);", configuration)[1]


def test_uploads_are_as_large_as_streamlit_allows(project, render):
    assert body_limit(render()) == "201m"
    assert body_limit(render(STREAMLIT_SERVER_MAX_UPLOAD_SIZE="500")) == "501m"
    settings = project.read(".streamlit/config.toml")
    project.write(".streamlit/config.toml", settings.replace("= 200", "= 50 # MB"))
    assert body_limit(render()) == "51m"
    project.write(".streamlit/config.toml", settings.replace("maxUploadSize", "# maxUploadSize"))
    assert body_limit(render()) == "201m"
    (project.path / ".streamlit/config.toml").unlink()
    assert body_limit(render()) == "201m"


def test_it_renders_whatever_the_locale(project, render):
    project.write("app.json", json.dumps({"name": "Café 売上"}, ensure_ascii=False))
    assert render(LANG="C") == render(LANG="C.UTF-8") == render()
    assert "Café 売上" in render(LANG="C")


@pytest.mark.parametrize(
    "environment",
    [
        {"PORT": "80; }"},
        {"NGINX_WORKERS": "1; user root"},
        {"STREAMLIT_SERVER_MAX_UPLOAD_SIZE": "x"},
    ],
    ids=lambda environment: next(iter(environment)),
)
def test_nothing_from_the_environment_is_taken_on_trust(render, environment):
    with pytest.raises(AssertionError, match="invalid value for Integer"):
        render(**environment)


class Nginx(Dyno):
    """A dyno whose server ends at nothing: nginx alone is up."""

    def _build(self, project):
        super()._build(project)
        stand_in = "import pathlib, time\npathlib.Path('/tmp/app-initialized').touch()\n"
        (self.home / "server.py").write_text(stand_in + "time.sleep(600)\n")


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_no_name_opens_the_door_or_ends_its_quotes(project, nginx, name):
    project.write("app.json", json.dumps({"name": name}, ensure_ascii=False))
    with Nginx(project.path, nginx) as alone:
        for auth in (None, ("anna.b", "wrong password")):
            answer = requests.get(alone.url, auth=auth)
            assert answer.status_code == 401
            realm = answer.headers["WWW-Authenticate"]
            # What a browser reads out of the quoted string: RFC 9110, section 5.6.4.
            shown = re.fullmatch(r'Basic realm="((?:[^"\\]|\\.)*)"', realm)[1]
            shown = re.sub(r"\\(.)", r"\1", shown).encode("latin-1").decode("utf-8")
            assert shown == {"off": "Off"}.get(name, name.replace("\n", " ")[:100])


@pytest.mark.parametrize(
    "app_json", ["", "{", "[]", '{"name": 1}', '{"name": " "}', None], ids=repr
)
def test_without_a_name_there_is_a_realm_all_the_same(project, render, app_json):
    (project.path / "app.json").unlink()
    if app_json is not None:
        project.write("app.json", app_json)
    assert 'default "Apps";' in render()


def test_users_and_passwords_of_every_shape_are_let_in(project, nginx):
    """bcrypt hashes as manage.py writes them, checked by nginx and the system's libcrypt."""
    manage = project.load("manage")
    users = {
        "anna.b": PASSWORD,
        "Z": "x" * 12,
        "0.A-z_9@example.com": "é" * 36,
        "x" * 64: "y" * 72,
        "generated": manage.generate_password(),
        "signs": "a:b \"c\" 'd' \\e $f {g} %h",
        "emoji": "🔑🔑🔑",
    }
    for user, password in users.items():
        manage.set_password(user, password, project.path)
    with Nginx(project.path, nginx) as alone:
        for user, password in users.items():
            right = (user.encode(), password.encode())
            # Nobody is behind nginx here: 502 is what one gets who was let in.
            assert requests.get(alone.url, auth=right).status_code == 502, user
            wrong = (user.encode(), password[:-1].encode())
            assert requests.get(alone.url, auth=wrong).status_code == 401, user


def test_without_htpasswd_nobody_gets_in(project, nginx):
    (project.path / ".htpasswd").unlink()
    with Nginx(project.path, nginx) as alone:
        for auth in (None, ("anna.b", PASSWORD)):
            assert requests.get(alone.url, auth=auth).status_code in (401, 403)
