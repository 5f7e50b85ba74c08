"""The rules find nothing in the template's configuration, and each mistake in a changed one."""

from __future__ import annotations

import itertools
import shutil
from typing import TYPE_CHECKING

import pytest
from check_helpers import TEMPLATE, Found
from strategies import HASH

from apphub.apps import App
from apphub.check.nginx_rules import INCLUDE_RULES, RULES, find_violations
from apphub.check.nginx_rules.parsing import ParseError, parse
from apphub.server import gateway
from apphub.settings import read_settings
from apphub.users import User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

USERS = [User(f"user{number}.{'x' * 50}@example.com"[:64], HASH) for number in range(200)]
APPS = [
    App("Forecast", script="apps/forecast/app.py", users=("anna.b", "bob")),
    App("Café", script="apps/café-2.py", processes=3),
]
SECRET = "a secret of more than 32 characters"

# The files: the user's, rendered, and the template's.
OWN = "config/nginx.conf"
HTTP, SERVER = "apphub/nginx/http.conf", "apphub/nginx/server.conf"
HEADERS = "apphub/nginx/headers.conf"
SETTINGS = "config/generated/settings.conf"
UPSTREAMS = "config/generated/upstreams.conf"

PROXY = "location / {\n  proxy_pass http://$backend;"
PAGES = "try_files $app_page =404;"
PLACE = "    # Your own locations go here."  # of the user's own lines
TOKENS = "server_tokens off;"
IDENTITY = "X-Forwarded-User $user;\n"
LOGGED = "count#nginx.status.$status=1"  # the end of a line of the log
REFUSED = "/.nothing/ =403;"
HTTPS = "return 301 https://$host$request_uri;"
LISTEN = "    listen 8000;\n"
KEEPALIVE = "keepalive_timeout 30s;"
PASSWORD_USER = 'map ":$remote_user" $password_user {\n  default "";'
USER_FILE = "auth_basic_user_file generated/htpasswd;"
# The headers of the server block without Referrer-Policy.
ALL_BUT_ONE = " ".join(
    f"add_header {header} always;"
    for header in (
        "Strict-Transport-Security $strict_transport",
        "Content-Security-Policy $frame_policy",
        "X-Content-Type-Options nosniff",
        "Cache-Control $cache_control",
        "Retry-After $retry_after",
    )
)

Case = tuple[str, str, str]


def own(*lines: str) -> Case:
    """Lines in the user's own server block."""
    return OWN, PLACE, "\n".join(lines)


# Each rule's mistakes: a file, a text in it, and what replaces it.
MISTAKES: dict[str, list[Case]] = {
    "nginx-auth-basic-missing": [
        (SERVER, "auth_basic $realm;", ""),
        (SERVER, "auth_basic $realm;", "location /x/ { auth_basic $realm; }"),
    ],
    "nginx-user-file-missing": [
        (SERVER, "auth_basic_user_file", "# auth_basic_user_file"),
        (HTTP, TOKENS, f"{TOKENS} auth_basic Apps;"),
    ],
    "nginx-auth-basic-off": [
        (SERVER, PROXY, f"{PROXY} auth_basic off;"),
        own("location /_stcore/health { auth_basic 'off'; }"),
        (SERVER, PROXY, f"{PROXY} limit_except GET {{ auth_basic off; }}"),
        own("satisfy any;"),
    ],
    "nginx-auth-basic-other": [
        (SERVER, "auth_basic $realm;", 'auth_basic "Apps";'),
        (SERVER, "auth_basic $realm;", "auth_basic $app_name;"),
        own('location /x/ { auth_basic "Admins"; }'),
        own("location /x/ { auth_basic_user_file ../.htpasswd; }"),
    ],
    "nginx-secret-exposed": [
        own("add_header X-Debug $new_session always;"),
        own("add_header X-Debug $New_Session always;"),
        own("location /x/ { add_header X-Debug $http_cookie; }"),
        own("location /x/ { proxy_set_header X-A $http_authorization; }"),
        own("location /x/ { proxy_set_header Cookie $session_cookie; }"),
        (OWN, "  server {", "  map $uri $mine { default $session; }\n"
         "  server { add_header X-Debug $mine always;"),
        (OWN, "  server {", '  map $uri $mine { default "'
         f'{"0" * 64}"; }}\n  server {{ add_header X-Debug $mine always;'),
    ],
    "nginx-files-exposed": [
        (SERVER, PAGES, "try_files $uri =404;"),
        (SERVER, "root config/generated/pages;", "root config/generated;"),
        own("location /pages/ { root config/generated; }"),
        own(f"location = /.app-page {{ root config/generated/pages; {PAGES} }}"),
        own("location /files/ { alias /app/; }"),
        own("location /files/ { alias ./; }"),
        own("location /files/ { alias config/generated/; }"),
        own("location /files/ { alias /app/public/../config/; }"),
        own("location ~* \\.(css|js|map)$ { root /app; }"),
        own("location /files/ { root /proc; }"),
        own("location /files/ { alias /app/$arg_folder/; }"),
        own("location = /users { alias /app/.htpasswd; }"),
    ],
    "nginx-unsupported": [
        own('more_set_input_headers "Authorization: Basic Z3Vlc3Q6";'),
        own('more_set_headers "Cache-Control: public";'),
        own("more_clear_headers Content-Security-Policy;"),
        own("location /x/ { ssi on; }"),
        own("location /x/ { fastcgi_pass localhost:9000; }"),
    ],
    "nginx-app-access": [
        own("location /own/ { proxy_pass http://app_1; proxy_pass_request_headers off; }"),
        own("location /own/ { proxy_pass http://app_2_3/x; }"),
        own("location /own/ { proxy_pass http://$app_1; }"),
        (SERVER, "proxy_pass http://$backend;", "proxy_pass http://$app_2_process;"),
    ],
    "nginx-proxy-target": [
        own("location /x/ { proxy_pass http://$arg_host; }"),
        own("location /x/ { proxy_pass $arg_scheme://localhost; }"),
        own("location /x/ { proxy_pass http://${http_x_host}/a; }"),
    ],
    "nginx-auth-basic-variable": [
        (HTTP, "default $app_name;", "default off;"),
        (HTTP, "default $app_name;", "default $app_name; '' off;"),
        (HTTP, "default $app_name;", "default $http_realm;"),
        (HTTP, "map $session_user $realm", "map $http_upgrade $realm"),
        (HTTP, "map $session_user $realm", "map $session $realm"),
        (HTTP, "map $session_user $realm", 'map "$session_user$uri" $realm'),
        (SERVER, "auth_basic $realm;", "auth_basic $cookie_realm;"),
        (HTTP, 'map $session $session_user {\n  default "";',
         "map $session $session_user {\n  default x;"),
        (HTTP, "map $session $session_user {\n", 'map $session $session_user {\n  "~^0" x;\n'),
    ],
    "nginx-response-before-auth": [
        own("return 204;"),
        own("location = /health { return 200 ok; }"),
        (SERVER, f"try_files {REFUSED}", "return 403;"),
        (SERVER, "if ($http_x_forwarded_proto = http) {",
         "if ($http_x_forwarded_proto != https) {"),
        (SERVER, HTTPS, "return 301 https://elsewhere.example;"),
        (SERVER, HTTPS, "return 200;"),
        (SERVER, "rewrite ^ /.refused/403 last;", "return 403;"),
        (SERVER, "rewrite ^ /.refused/403 last;", "rewrite ^ /login permanent;"),
        own("location /old { rewrite ^ /new redirect; }"),
        own("rewrite ^/old https://elsewhere.example;"),
        own("error_page 401 =200 /welcome;"),
        own("error_page 403 =200 /welcome;"),
        own("error_page 401 /login;"),
        own("error_page 429 /busy.html;"),
        own("error_page 404 https://elsewhere.example;"),
    ],
    "nginx-identity-header": [
        (OWN, "  server {", "  map $http_x_as $who { default $user; anna anna; }\n"
         "  server { location /x/ { proxy_set_header X-Forwarded-User $who; }"),
        (SERVER, IDENTITY, "X-Forwarded-User $remote_user;\n"),
        (SERVER, IDENTITY, "X-Forwarded-User $http_x_forwarded_user;\n"),
        (SERVER, IDENTITY, "X-Forwarded-User $session;\n"),  # a capture
        (SERVER, IDENTITY, "X-Forwarded-User anna;\n"),
        (SERVER, IDENTITY, f"{IDENTITY} proxy_set_header Remote-User $remote_user;\n"),
        (SERVER, IDENTITY, f"{IDENTITY} proxy_set_header x-auth-request-email $http_x_email;\n"),
        (SERVER, IDENTITY, f"{IDENTITY} proxy_set_header X-User-Name $cookie_name;\n"),
        (HTTP, '"" $password_user;', '"" $remote_user;'),
        (HTTP, "map $session_user $user {\n  default $session_user;",
         'map $session_user $user {\n  default "$session_user$http_x_suffix";'),
        (HTTP, PASSWORD_USER, PASSWORD_USER.replace('""', "$remote_user")),
        (HTTP, PASSWORD_USER, f'{PASSWORD_USER}\n  "~^:(.*@example.com)$" $1;'),
    ],
    "nginx-set-cookie": [
        (SERVER, PAGES, "try_files $uri =404;"),
        (SERVER, PAGES, f"{PAGES} auth_basic Apps;"),
        (SERVER, "location = /.app-page {", "location /.app-page {"),
        own(f"location = /own {{ {PAGES} add_header Set-Cookie $session_cookie; }}"),
        (SERVER, "Set-Cookie $session_cookie;", "Set-Cookie $session_cookie always;"),
        own("add_header Set-Cookie $session_cookie;"),
        (SERVER, REFUSED, f"{REFUSED} add_header set-cookie $session_cookie;"),
        (SERVER, PROXY, f"{PROXY} if ($cross_origin) {{ add_header Set-Cookie $session_cookie; }}"),
        (SERVER, PROXY, f"{PROXY} add_header Set-Cookie a=b;"),
        (SERVER, "Set-Cookie $process_cookie;", "Set-Cookie $session_cookie;"),
        (SERVER, PROXY, f"{PROXY} auth_basic off;"),
        (SERVER, "auth_basic $realm;", ""),
    ],
    "nginx-value-separator": [
        (HTTP, '"$session_user:$remote_user"', '"$session_user$remote_user"'),
        (HTTP, '"$session_user:$remote_user"', '"${session_user}$remote_user"'),
        (HTTP, "limit_req_zone $login_client", "limit_req_zone $login_attempt$binary_remote_addr"),
    ],
    "nginx-capture": [
        (SETTINGS, "([0-9a-f]{64})", "(?<given>[0-9a-f]{64})"),
        (SERVER, "server_name _;", 'server_name "~^(?P<team>.+)\\.example\\.com$";'),
        own("location ~ ^/(?<team>[a-z]+)/ { auth_basic $realm; }"),
        (SERVER, IDENTITY, f"{IDENTITY} proxy_set_header X-Team $1;\n"),
        own("rewrite ^/old/(.*) /new/$1 last;"),
        (SETTINGS, "default $http_cookie;", "default $1;"),
        (SETTINGS, "$1$2;", "$1$2$http_origin;"),
        (HTTP, 'map ":$remote_user" $password_user', 'map ":$1" $password_user'),
    ],
    "nginx-variable-redefined": [
        own("set $Realm off;"),
        own('location /x/ { set $http_authorization ""; }'),
        own("set $realm off;"),
        own("location /x { set $user anna; }"),
        (OWN, "  server {", '  map $uri $realm { default ""; }\n  server {'),
        (OWN, "  server {", "  geo $session_user { default anna; }\n  server {"),
        (OWN, "  server {", "  split_clients $uri $user { * anna; }\n  server {"),
    ],
    "nginx-request-headers": [
        (SERVER, "proxy_pass_request_headers off;", ""),
        (SERVER, "proxy_pass_request_headers off;", "proxy_pass_request_headers on;"),
        own("location /media { proxy_pass http://streamlit; }"),
        (SERVER, IDENTITY, f"{IDENTITY} proxy_set_header Authorization $http_authorization;\n"),
        (SERVER, IDENTITY, f"{IDENTITY} proxy_set_header Proxy $http_proxy;\n"),
        (SERVER, IDENTITY, f"{IDENTITY} proxy_set_header forwarded $http_forwarded;\n"),
        (SERVER, IDENTITY, f"{IDENTITY} proxy_set_header X-Forwarded-Host $http_host;\n"),
        (SERVER, "Cookie $passed_cookie;", "Cookie $http_cookie;"),
    ],
    "nginx-upgrade-header": [
        (SERVER, "Upgrade $passed_upgrade;", "Upgrade $http_upgrade;"),
        (SERVER, "Connection $passed_connection;", "Connection $http_connection;"),
        (SERVER, "Connection $passed_connection;", "Connection upgrade;"),
        (HTTP, 'map $http_upgrade $passed_upgrade {\n  default "";',
         "map $http_upgrade $passed_upgrade {\n  default $http_upgrade;"),
    ],
    "nginx-client-address": [
        own("real_ip_header CF-Connecting-IP;"),
        own("set_real_ip_from 0.0.0.0/0;"),
        own("location /x/ { proxy_set_header X-Forwarded-Host2 ${http_x_host}; }"),
        (SERVER, "X-Forwarded-For $remote_addr;", "X-Forwarded-For $proxy_add_x_forwarded_for;"),
        (SERVER, "X-Forwarded-For $remote_addr;", "x-forwarded-for $http_x_forwarded_for;"),
        (SERVER, IDENTITY, f"{IDENTITY} proxy_set_header X-Real-IP $http_x_real_ip;\n"),
        (SERVER, "X-Forwarded-Proto $proto;", "X-Forwarded-Proto $http_x_forwarded_proto;"),
    ],
    "nginx-rate-limit": [
        (SERVER, "limit_req zone=", "# limit_req zone="),
        (SERVER, PROXY, f"{PROXY} limit_req zone=login_total;"),
        (HTTP, "limit_req_status 429;", ""),
        (HTTP, "limit_req_status 429;", "limit_req_status 503;"),
        own("limit_req_status 503;"),
        own("limit_req_dry_run on;"),
    ],
    "nginx-rate-limit-key": [
        (HTTP, "limit_req_zone $login_client", "limit_req_zone $binary_remote_addr"),
        (HTTP, "limit_req_zone $login_attempt ", "limit_req_zone everybody "),
        (HTTP, "limit_req_zone $login_attempt ", 'limit_req_zone "$login_attempt:$proto" '),
        (HTTP, "limit_req_zone $login_attempt ", "limit_req_zone $app_name "),
        (HTTP, 'default $binary_remote_addr;\n  "" "";', 'default $binary_remote_addr;\n  "" all;'),
        (HTTP, "limit_req_zone $login_attempt ", "limit_req_zone $passed_upgrade "),
        (HTTP, '"$session_user:$http_authorization"', '":$http_authorization"'),
    ],
    "nginx-header-dropped": [
        (SERVER, f"include ../{HEADERS};\n  proxy_hide", "proxy_hide"),
        (SERVER, f"include ../{HEADERS};\n  proxy_hide", f"{ALL_BUT_ONE}\n  proxy_hide"),
        (SERVER, f"include ../{HEADERS};\n  proxy_hide",
         f"{ALL_BUT_ONE} add_header Referrer-Policy unsafe-url always;\n  proxy_hide"),
        own("location /x { add_header X-A b always; }"),
        (SERVER, REFUSED, f"{REFUSED} add_header X-Reason foreign always;"),
        (HTTP, TOKENS, f"{TOKENS} add_header X-Robots-Tag none always;"),
        (SERVER, PROXY, f"{PROXY} if ($cross_origin) {{ add_header X-Reason foreign always; }}"),
    ],
    "nginx-header-always": [
        (HEADERS, "cross-origin always;", "cross-origin;"),
        (HTTP, "limit_req_status 429;", "limit_req_status 429; add_header X-A b;"),
    ],
    "nginx-header-duplicate": [
        own("add_header referrer-policy same-origin always;"),
        (SERVER, IDENTITY, f"{IDENTITY} proxy_set_header x-forwarded-user $session_user;\n"),
    ],
    "nginx-server-details": [
        (SERVER, "absolute_redirect off;", ""),
        (SERVER, "absolute_redirect off;", "absolute_redirect on;"),
        (HTTP, TOKENS, ""),
        own("server_tokens on;"),
    ],
    "nginx-alias-slash": [
        own("location /static { alias /app/static/; }"),
        own("location /static/ { alias /app/static; }"),
        own("location ^~ /static { alias /app/static; }"),
    ],
    "nginx-log-secret": [
        (OWN, "  server {", "  log_format own $sent_http_set_cookie;\n  server {"),
        (OWN, "  server {", "  log_format own $Args;\n  server {"),
        *((OWN, "error.log alert;", f"error.log{level};")
          for level in (" info", " notice", " debug", " error", " crit", "")),
        (OWN, "error_log logs/nginx/error.log alert;", ""),
        (HTTP, TOKENS, f"{TOKENS} error_log logs/nginx/error.log info;"),
        (SERVER, PROXY, f"{PROXY} error_log stderr debug;"),
        (HTTP, "access.log access;", "access.log;"),
        (HTTP, "access.log access;", "access.log combined;"),
        (HTTP, 'path="$logged_path"', 'path="$request"'),
        (HTTP, 'path="$logged_path"', 'path="$request_uri"'),
        (HTTP, "[^?#", "[^#"),
        (HTTP, "map $request_uri $logged_path", "map $args $logged_path"),
        (HTTP, "map $request_uri $logged_path", 'map "$request_uri $args" $logged_path'),
        (HTTP, LOGGED, f"{LOGGED} $http_authorization"),
        (HTTP, LOGGED, f"{LOGGED} $session"),
        (HTTP, LOGGED, f"{LOGGED} $new_session"),
        (HTTP, LOGGED, f"{LOGGED}' ' $remote_user"),
        (HTTP, LOGGED, f"{LOGGED} $arg_token"),
    ],
    "nginx-log-injection": [
        (HTTP, "log_format access", "log_format access escape=none"),
        (HTTP, 'path="$logged_path"', 'path="$uri"'),
        (HTTP, LOGGED, f"{LOGGED} $http_user_agent"),
        (HTTP, LOGGED, f"{LOGGED} $http_x_request_id"),
        (HTTP, "default $request_id;", "default $http_x_request_id;"),
    ],
    "nginx-log-user": [
        (HTTP, "user=$authenticated_user", "user=$user"),
        (HTTP, "user=$authenticated_user", "user=$password_user"),
        (HTTP, 'map "$session_user:$authenticated"', 'map "$session_user:yes"'),
        (HTTP, 'map "$upstream_status:$status" $authenticated', 'map ":$status" $authenticated'),
    ],
    "nginx-keepalive": [
        (UPSTREAMS, KEEPALIVE, ""),
        (UPSTREAMS, KEEPALIVE, "keepalive_timeout 75s;"),
        (UPSTREAMS, KEEPALIVE, "keepalive_timeout 1m1s;"),
        (UPSTREAMS, KEEPALIVE, "keepalive_timeout 61;"),
    ],
    "nginx-map-hash": [
        (HTTP, "map_hash_bucket_size 256;", ""),
        (HTTP, "map_hash_bucket_size 256;", "map_hash_bucket_size 64;"),
        (HTTP, "map_hash_bucket_size 256;", "map $uri $x { a b; }\nmap_hash_bucket_size 256;"),
        (OWN, f"include ../{HTTP};", f"map $uri $x {{ a b; }} include ../{HTTP};"),
    ],
    "nginx-http-rules-missing": [
        (OWN, f"include ../{HTTP};", ""),
        (OWN, f"include ../{HTTP};", f"# include ../{HTTP};"),
    ],
    "nginx-server-rules-missing": [
        (OWN, f"include ../{SERVER};", ""),
        (OWN, f"include ../{SERVER};", f"# include ../{SERVER};"),
        (OWN, "  server {", "  server { listen 8001; }\n  server {"),
        (OWN, "http {", "stream { server { listen 8001; proxy_pass unix:/tmp/s; } }\nhttp {"),
    ],
    "nginx-server-rules-order": [
        (OWN, f"include ../{SERVER};", f"break; include ../{SERVER};"),
        (OWN, f"include ../{SERVER};", f"rewrite ^/old /new last; include ../{SERVER};"),
        (OWN, f"include ../{SERVER};", f"if ($uri = /old) {{ break; }} include ../{SERVER};"),
    ],
}  # fmt: skip

# What looks like a mistake and is not one.
HARMLESS = [
    own("location /docs/ { alias docs/; }"),
    own("location = /logo.svg { root public; }"),
    own("more_clear_headers Server;"),
    own("location /x/ { proxy_pass_request_headers off; proxy_pass http://streamlit/x/; }"),
    own("location ^~ /static/ { alias /app/static/; }"),
    own("location = /favicon.ico { alias /app/favicon.ico; }"),
    own("error_page 404 /.refused/400;"),
    own("rewrite ^/old /new last;"),
    (OWN, f"include ../{SERVER};", f"set $mine 1; include ../{SERVER};"),
    own("location = /robots.txt { try_files /.nothing/ =404; }"),
    own("set $mine 1; set $mine 2;"),
    own(
        "location /docs/ { alias /app/docs/; add_header X-A b always;",
        f"include ../{HEADERS}; }}",
    ),
    (OWN, "  server {", f"  server {{ listen 8001; include ../{SERVER}; }}\n  server {{"),
    (HTTP, '"~." off;', '"~" off;'),
    (SERVER, IDENTITY, f"{IDENTITY} proxy_set_header Authorization '';\n"),
    (SERVER, IDENTITY, f"{IDENTITY} proxy_set_header X-Auth-User '';\n"),
    (SERVER, IDENTITY, f"{IDENTITY} proxy_set_header X-Remote-User $password_user;\n"),
    (UPSTREAMS, KEEPALIVE, "keepalive_timeout 1m;"),
    (HTTP, 'map ":$remote_user"', 'map "${proto}:$remote_user"'),
    (OWN, "  server {",
     '  map $uri $x { "~(?<=a)(?!b)(c)" $1; return 200; alias /x; }\n  server {'),
]  # fmt: skip


@pytest.fixture(scope="module")
def generate(tmp_path_factory) -> Callable[..., Path]:
    """Write the template's configuration with generated files for some users and variables."""

    def generate(*users: User, **environ: str) -> Path:
        root = tmp_path_factory.mktemp("tree")
        shutil.copytree(TEMPLATE / "apphub/nginx", root / "apphub/nginx")
        text = (TEMPLATE / "_hook/config/nginx.conf.erb").read_text("utf-8")
        text = text.replace('<%= Integer(ENV.fetch("PORT")) %>', "8000")
        text = text.replace('<%= Integer(ENV.fetch("NGINX_WORKERS", "8")) %>', "8")
        assert "<%" not in text
        (root / "config").mkdir()
        (root / OWN).write_text(text, "utf-8")
        gateway.write_rules(users or [User("anna.b", HASH)], read_settings(environ), root)
        gateway.write_apps(APPS, root)
        gateway.write_limits(200, root)
        return root

    return generate


@pytest.fixture(scope="module")
def base(generate) -> Path:
    return generate(SESSION_SECRET=SECRET)


@pytest.fixture
def tree(base) -> Iterator[Path]:
    """The configuration, which a test may change: it is restored afterwards."""
    before = read_files(base)
    yield base
    after = read_files(base)
    for path in before.keys() | after.keys():
        if path not in before:
            path.unlink()
        elif before[path] != after.get(path):
            path.write_bytes(before[path])


def read_files(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def change(root: Path, file: str, old: str, new: str) -> None:
    text = (root / file).read_text("utf-8")
    assert old in text
    (root / file).write_text(text.replace(old, new), "utf-8")


def violations(root: Path) -> Found:
    return [(finding.code, finding.where) for finding in find_violations(parse(root))]


ENVIRONMENTS = {
    "FRAME_ANCESTORS": "https://intranet.example.com https://*.example.org:8443",
    "SESSION_SECRET": SECRET,
    "STREAMLIT_PROCESSES": "4",
}


@pytest.mark.parametrize(
    "names",
    [names for n in range(4) for names in itertools.combinations(ENVIRONMENTS, n)],
    ids=lambda names: " and ".join(names) or "nothing",
)
def test_templates_configuration_breaks_no_rule(generate, names):
    assert violations(generate(**{name: ENVIRONMENTS[name] for name in names})) == []


def test_200_users_break_no_rule(generate):
    root = generate(*USERS)
    main = parse(root)
    assert len(main.maps["session_user"].entries) == 201
    assert len(main.maps["password_user"].entries) == 201
    assert len(main.maps["new_session"].entries) == 201
    assert list(find_violations(main)) == []


@pytest.mark.parametrize(
    ("code", "file", "old", "new"),
    [(code, *case) for code, cases in MISTAKES.items() for case in cases],
)
def test_mistake_is_found(tree, code, file, old, new):
    change(tree, file, old, new)
    found = violations(tree)
    assert code in [each for each, _ in found], found


@pytest.mark.parametrize(("file", "old", "new"), HARMLESS)
def test_harmless_line_is_not_reported(tree, file, old, new):
    change(tree, file, old, new)
    assert violations(tree) == []


def test_each_rule_has_mistakes_that_it_finds():
    rules = (*RULES, *INCLUDE_RULES)
    assert sorted(MISTAKES) == sorted(rule.code for rule in rules)
    assert all(rule.find.__doc__ for rule in rules)
    assert all(rule.hint for rule in rules)


PLACES = {
    "the user's file": (*own("auth_basic off;"), "nginx-auth-basic-off"),
    "after an include": (
        OWN,
        PLACE,
        f"{PLACE}\n\nlocation /x {{ return 200; }}",
        "nginx-response-before-auth",
    ),
    "a file of the template": (
        HTTP,
        "default $app_name;",
        "default off;",
        "nginx-auth-basic-variable",
    ),
    "a file that two blocks include": (
        HEADERS,
        "cross-origin always;",
        "cross-origin;",
        "nginx-header-always",
    ),
    "a generated file": (UPSTREAMS, KEEPALIVE, "", "nginx-keepalive"),
}  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "code"), PLACES.values(), ids=PLACES)
def test_finding_names_file_and_line(tree, file, old, new, code):
    change(tree, file, old, new)
    [(found, where), *_] = violations(tree)
    assert found == code
    name, line = where.split(", line ")
    assert name == file
    text = (tree / file).read_text("utf-8").splitlines()[int(line) - 1]
    words = {
        "nginx-keepalive": "upstream streamlit",
        "nginx-response-before-auth": "return",
        "nginx-auth-basic-variable": "default off;",
        "nginx-header-always": "Referrer-Policy",
    }
    assert words.get(code, new) in text


def test_one_finding_for_a_server_without_the_rules(tree):
    change(tree, OWN, f"include ../{SERVER};", "")
    assert [code for code, _ in violations(tree)] == ["nginx-server-rules-missing"]


def test_one_finding_for_a_configuration_without_the_rules(tree):
    change(tree, OWN, f"include ../{HTTP};", "")
    change(tree, OWN, PLACE, "auth_basic off;")
    assert [code for code, _ in violations(tree)] == ["nginx-http-rules-missing"]


def test_included_by_a_file_of_the_users_own(tree):
    change(tree, OWN, f"include ../{SERVER};", "include mine.conf;")
    (tree / "config/mine.conf").write_text(f"include ../{SERVER};\nreturn 204;\n", "utf-8")
    assert violations(tree) == [("nginx-response-before-auth", "config/mine.conf, line 2")]


def test_include_with_a_pattern(tree):
    change(tree, OWN, PLACE, "include mine/*.conf;")
    (tree / "config/mine").mkdir(exist_ok=True)
    assert violations(tree) == []
    (tree / "config/mine/a.conf").write_text("satisfy any;\n", "utf-8")
    assert violations(tree) == [("nginx-auth-basic-off", "config/mine/a.conf, line 1")]


def test_file_outside_the_project(tree, tmp_path):
    (tmp_path / "mine.conf").write_text("satisfy any;\n", "utf-8")
    change(tree, OWN, PLACE, f"include {tmp_path}/mine.conf;")
    assert violations(tree) == [("nginx-auth-basic-off", f"{tmp_path}/mine.conf, line 1")]


INVALID = {
    "an extra brace": ("}", OWN),
    "a missing brace": ("{", OWN),
    "a missing file": ("include nothing.conf;", OWN),
    "no end": ("worker_rlimit_nofile 1", OWN),
    "a directive in the wrong place": ("server_name _;", OWN),
    "a directive without its value": ("error_log;", OWN),
}


@pytest.mark.parametrize(("end", "file"), INVALID.values(), ids=INVALID)
def test_what_cannot_be_parsed(tree, end, file):
    with (tree / file).open("a", encoding="utf-8") as opened:
        opened.write(f"\n{end}")
    with pytest.raises(ParseError, match=r"\S") as error:
        parse(tree)
    assert error.value.place.startswith(file)
    assert str(tree) not in str(error.value)


@pytest.mark.parametrize("text", ["include mine.conf;", "location /a { include mine.conf; }"])
def test_file_that_includes_itself(tree, text):
    change(tree, OWN, PLACE, "include mine.conf;")
    (tree / "config/mine.conf").write_text(text, "utf-8")
    with pytest.raises(ParseError, match="includes itself") as error:
        parse(tree)
    assert error.value.place == "config/mine.conf, line 1"


def test_missing_generated_file(tree):
    (tree / "config/generated/sessions.map").unlink()
    with pytest.raises(ParseError, match=r"cannot open sessions\.map") as error:
        parse(tree)
    assert error.value.place.startswith(HTTP)
