"""lint.py finds nothing in what a project renders, and each fault in what is spoilt."""

from __future__ import annotations

import itertools

import pytest
from lint import RULES, lint

DIGEST = "$2b$12$" + "abcdefghijklmnopqrstu." + "x" * 31
USERS = "\n".join(
    f"user{number}.{'x' * 50}@example.com"[:64] + f":{DIGEST}" for number in range(200)
)
SECRET = "a secret of more than 32 characters"

PASSES = "    location / {\n      proxy_pass http://streamlit;"  # the location that proxies
SERVER = "    absolute_redirect off;"  # a line of the server's own
BLANK = "X-Forwarded-User $user;\n"
LOGGED = "count#nginx.status.$status=1"  # the end of a line of the log

# Each rule's faults: a text of the rendered configuration, and what stands in its place.
FAULTS = {
    "each_server_asks_for_the_password": [
        ("    auth_basic $realm;", ""),
        ("  upstream streamlit", "  server { listen 8001; }\n  upstream streamlit"),
    ],
    "each_password_is_looked_up": [
        ("    auth_basic_user_file", "    # auth_basic_user_file"),
        ("  server_tokens off;", "  server_tokens off; auth_basic Apps;"),
    ],
    "no_password_is_switched_off": [
        (PASSES, f"{PASSES} auth_basic off;"),
        (SERVER, f"{SERVER} location /_stcore/health {{ auth_basic 'off'; }}"),
        (PASSES, f"{PASSES} limit_except GET {{ auth_basic off; }}"),
        (SERVER, f"{SERVER} satisfy any;"),
    ],
    "a_session_alone_opens": [
        ("default $app_name;", "default off;"),
        ("default $app_name;", "default $app_name; '' off;"),
        ("default $app_name;", "default $http_realm;"),
        ("map $session_user $realm", "map $http_upgrade $realm"),
        ("map $session_user $realm", "map $session $realm"),
        ("map $session_user $realm", 'map "$session_user$uri" $realm'),
        ("auth_basic $realm;", "auth_basic $cookie_realm;"),
        ('map $session $session_user {\n    default "";', "map $session $session_user {\n    default x;"),
        ('map $session $session_user {\n', 'map $session $session_user {\n    "~^0" x;\n'),
    ],
    "nothing_answers_before_the_password": [
        (SERVER, f"{SERVER} return 204;"),
        (SERVER, f"{SERVER} location = /health {{ return 200 ok; }}"),
        ("try_files /.nothing/ =403;", "return 403;"),
        ("if ($http_x_forwarded_proto = http) {", "if ($http_x_forwarded_proto != https) {"),
        ("return 301 https://$host$request_uri;", "return 301 https://elsewhere.example;"),
        ("return 301 https://$host$request_uri;", "return 200;"),
        ("rewrite ^ /.refused/403 last;", "return 403;"),
        ("rewrite ^ /.refused/403 last;", "rewrite ^ /login permanent;"),
        (SERVER, f"{SERVER} location /old {{ rewrite ^ /new redirect; }}"),
        (SERVER, f"{SERVER} rewrite ^/old https://elsewhere.example;"),
        (SERVER, f"{SERVER} error_page 401 =200 /welcome;"),
        (SERVER, f"{SERVER} error_page 403 =200 /welcome;"),
        (SERVER, f"{SERVER} error_page 401 /login;"),
        (SERVER, f"{SERVER} error_page 404 https://elsewhere.example;"),
    ],
    "identity_ends_in_literals": [
        (BLANK, "X-Forwarded-User $remote_user;\n"),
        (BLANK, "X-Forwarded-User $http_x_forwarded_user;\n"),
        (BLANK, "X-Forwarded-User $session;\n"),  # a capture
        (BLANK, "X-Forwarded-User anna;\n"),
        (BLANK, f"{BLANK} proxy_set_header Remote-User $remote_user;\n"),
        (BLANK, f"{BLANK} proxy_set_header x-auth-request-email $http_x_email;\n"),
        (BLANK, f"{BLANK} proxy_set_header X-User-Name $cookie_name;\n"),
        ('"" $password_user;', '"" $remote_user;'),
        ("default $session_user;", 'default "$session_user$http_x_suffix";'),
        ('map ":$remote_user" $password_user {\n    default "";',
         'map ":$remote_user" $password_user {\n    default $remote_user;'),
        ('map ":$remote_user" $password_user {\n',
         'map ":$remote_user" $password_user {\n    "~^:(.*@example.com)$" $1;\n'),
    ],
    "the_session_is_given_in_one_place": [
        ("Set-Cookie $session_cookie;", "Set-Cookie $session_cookie always;"),
        (SERVER, f"{SERVER} add_header Set-Cookie $session_cookie;"),
        ("/.nothing/ =403;", "/.nothing/ =403; add_header set-cookie $session_cookie;"),
        (PASSES, f"{PASSES} if ($foreign_page) {{ add_header Set-Cookie $session_cookie; }}"),
        (PASSES, f"{PASSES} add_header Set-Cookie a=b;"),
        ("Set-Cookie $process_cookie;", "Set-Cookie $session_cookie;"),
        (PASSES, f"{PASSES} auth_basic off;"),
        ("    auth_basic $realm;", ""),
    ],
    "values_are_kept_apart": [
        ('"$session_user:$remote_user"', '"$session_user$remote_user"'),
        ('"$session_user:$remote_user"', '"${session_user}$remote_user"'),
        ("limit_req_zone $guesser", "limit_req_zone $guess$binary_remote_addr"),
    ],
    "captures_stay_in_their_line": [
        ("([0-9a-f]{64})", "(?<given>[0-9a-f]{64})"),
        ("server_name _;", 'server_name "~^(?P<team>.+)\\.example\\.com$";'),
        (SERVER, f"{SERVER} location ~ ^/(?<team>[a-z]+)/ {{ auth_basic $realm; }}"),
        (BLANK, f"{BLANK} proxy_set_header X-Team $1;\n"),
        (SERVER, f"{SERVER} rewrite ^/old/(.*) /new/$1 last;"),
        ("default $http_cookie;", "default $1;"),
        ("$1$2;", "$1$2$http_origin;"),
        ('map ":$remote_user" $password_user', 'map ":$1" $password_user'),
    ],
    "client_headers_stay_outside": [
        ("proxy_pass_request_headers off;", ""),
        ("proxy_pass_request_headers off;", "proxy_pass_request_headers on;"),
        (SERVER, f"{SERVER} location /media {{ proxy_pass http://streamlit; }}"),
        (BLANK, f"{BLANK} proxy_set_header Authorization $http_authorization;\n"),
        (BLANK, f"{BLANK} proxy_set_header Proxy $http_proxy;\n"),
        (BLANK, f"{BLANK} proxy_set_header forwarded $http_forwarded;\n"),
        (BLANK, f"{BLANK} proxy_set_header X-Forwarded-Host $http_host;\n"),
        ("Cookie $passed_cookie;", "Cookie $http_cookie;"),
    ],
    "one_upgrade_is_passed_on": [
        ("Upgrade $passed_upgrade;", "Upgrade $http_upgrade;"),
        ("Connection $passed_connection;", "Connection $http_connection;"),
        ("Connection $passed_connection;", "Connection upgrade;"),
        ("map $http_upgrade $passed_upgrade {\n    default \"\";",
         "map $http_upgrade $passed_upgrade {\n    default $http_upgrade;"),
    ],
    "the_address_is_nginxs_own": [
        ("X-Forwarded-For $remote_addr;", "X-Forwarded-For $proxy_add_x_forwarded_for;"),
        ("X-Forwarded-For $remote_addr;", "x-forwarded-for $http_x_forwarded_for;"),
        (BLANK, f"{BLANK} proxy_set_header X-Real-IP $http_x_real_ip;\n"),
        ("X-Forwarded-Proto $proto;", "X-Forwarded-Proto $http_x_forwarded_proto;"),
    ],
    "guesses_are_limited": [
        ("    limit_req zone=", "    # limit_req zone="),
        (PASSES, f"{PASSES} limit_req zone=guesses_of_all;"),
        ("limit_req_status 429;", ""),
        ("limit_req_status 429;", "limit_req_status 503;"),
    ],
    "sessions_are_never_limited": [
        ("limit_req_zone $guesser", "limit_req_zone $binary_remote_addr"),
        ("limit_req_zone $guess ", "limit_req_zone everybody "),
        ("limit_req_zone $guess ", 'limit_req_zone "$guess:$proto" '),
        ("limit_req_zone $guess ", "limit_req_zone $app_name "),
        ('default $binary_remote_addr;\n    "" "";', 'default $binary_remote_addr;\n    "" all;'),
        ("limit_req_zone $guess ", "limit_req_zone $passed_upgrade "),
        ('"$session_user:$http_authorization"', '":$http_authorization"'),
    ],
    "no_header_is_dropped": [
        ("\n      add_header Referrer-Policy", "\n      # add_header Referrer-Policy"),
        ("\n      add_header Content-Security-Policy \"frame-ancestors 'self'\"",
         "\n      add_header Content-Security-Policy \"frame-ancestors *\""),
        ("/.nothing/ =403;", "/.nothing/ =403; add_header X-Reason foreign always;"),
        ("  server_tokens off;", "  server_tokens off; add_header X-Robots-Tag none always;"),
        (PASSES, f"{PASSES} if ($foreign_page) {{ add_header X-Reason foreign always; }}"),
    ],
    "headers_are_on_every_answer": [
        ('"same-origin" always;', '"same-origin";'),
        ("limit_req_status 429;", "limit_req_status 429; add_header X-A b;"),
    ],
    "each_header_stands_once": [
        (SERVER, f"{SERVER} add_header referrer-policy same-origin always;"),
        (BLANK, f"{BLANK} proxy_set_header x-forwarded-user $session_user;\n"),
    ],
    "little_is_told_of_the_server": [
        (SERVER, ""),
        (SERVER, "absolute_redirect on;"),
        ("  server_tokens off;", ""),
        (SERVER, f"{SERVER} server_tokens on;"),
    ],
    "logs_hold_no_secrets": [
        ("error.log alert;", "error.log info;"),
        ("error.log alert;", "error.log notice;"),
        ("error.log alert;", "error.log debug;"),
        ("error.log alert;", "error.log error;"),
        ("error.log alert;", "error.log crit;"),
        ("error.log alert;", "error.log;"),
        ("error_log logs/nginx/error.log alert;", ""),
        ("  server_tokens off;", "  server_tokens off; error_log logs/nginx/error.log info;"),
        (PASSES, f"{PASSES} error_log stderr debug;"),
        ("access.log door;", "access.log;"),
        ("access.log door;", "access.log combined;"),
        ('path="$asked_path"', 'path="$request"'),
        ('path="$asked_path"', 'path="$request_uri"'),
        ("[^?#", "[^#"),
        ("map $request_uri $asked_path", "map $args $asked_path"),
        ("map $request_uri $asked_path", 'map "$request_uri $args" $asked_path'),
        (LOGGED, f"{LOGGED} $http_authorization"),
        (LOGGED, f"{LOGGED} $session"),
        (LOGGED, f"{LOGGED} $new_session"),
        (LOGGED, f"{LOGGED}' ' $remote_user"),
        (LOGGED, f"{LOGGED} $arg_token"),
    ],
    "no_line_of_the_log_is_forged": [
        ("log_format door", "log_format door escape=none"),
        ('path="$asked_path"', 'path="$uri"'),
        (LOGGED, f"{LOGGED} $http_user_agent"),
        (LOGGED, f"{LOGGED} $http_x_request_id"),
        ("default $request_id;", "default $http_x_request_id;"),
    ],
    "the_log_names_who_was_let_in": [
        ("user=$known_user", "user=$user"),
        ("user=$known_user", "user=$password_user"),
        ('map "$session_user:$let_in"', 'map "$session_user:yes"'),
        ('map "$upstream_status:$status" $let_in', 'map ":$status" $let_in'),
    ],
    "alias_has_its_slash": [
        (SERVER, f"{SERVER} location /static {{ alias /app/static/; }}"),
        (SERVER, f"{SERVER} location /static/ {{ alias /app/static; }}"),
        (SERVER, f"{SERVER} location ^~ /static {{ alias /app/static; }}"),
    ],
    "nginx_lets_go_first": [
        ("    keepalive_timeout 30s;", ""),
        ("keepalive_timeout 30s;", "keepalive_timeout 75s;"),
        ("keepalive_timeout 30s;", "keepalive_timeout 1m1s;"),
        ("keepalive_timeout 30s;", "keepalive_timeout 61;"),
    ],
    "maps_take_long_keys": [
        ("map_hash_bucket_size 256;", ""),
        ("map_hash_bucket_size 256;", "map_hash_bucket_size 64;"),
        ("  map_hash_bucket_size 256;", "  map $uri $x { a b; }\n  map_hash_bucket_size 256;"),
    ],
}  # fmt: skip

# What looks like one of them and is none.
HARMLESS = [
    (SERVER, f"{SERVER} location ^~ /static/ {{ alias /app/static/; }}"),
    (SERVER, f"{SERVER} location = /favicon.ico {{ alias /app/favicon.ico; }}"),
    (SERVER, f"{SERVER} error_page 404 /.refused/400;"),
    (SERVER, f"{SERVER} rewrite ^/old /new last;"),
    ("    auth_basic $realm;", '    auth_basic "Apps";'),
    ("    auth_basic $realm;", "    auth_basic $app_name;"),
    ('"~." off;', '"~" off;'),
    (BLANK, f"{BLANK} proxy_set_header Authorization '';\n proxy_set_header X-Auth-User '';\n"),
    (BLANK, f"{BLANK} proxy_set_header X-Remote-User $password_user;\n"),
    ("keepalive_timeout 30s;", "keepalive_timeout 1m;"),
    ('map ":$remote_user"', 'map "${proto}:$remote_user"'),
    ("  upstream streamlit {",
     '  map $uri $x { "~(?<=a)(?!b)(c)" $1; return 200; alias /x; }\n  upstream streamlit {'),
]  # fmt: skip


@pytest.fixture(scope="module")
def rendered(render) -> str:
    return render(SESSION_SECRET=SECRET)


ENVIRONMENTS = {
    "FRAME_ANCESTORS": "https://intranet.example.com https://*.example.org:8443",
    "SESSION_SECRET": SECRET,
    "HTPASSWD": f"bob:{DIGEST}",
    "STREAMLIT_PROCESSES": "4",
}


@pytest.mark.parametrize(
    "names",
    [names for n in range(5) for names in itertools.combinations(ENVIRONMENTS, n)],
    ids=lambda names: " and ".join(names) or "nothing",
)
def test_what_a_project_renders_is_clean(render, names):
    assert lint(render(**{name: ENVIRONMENTS[name] for name in names})) == []


def test_with_200_users_it_is_clean(render):
    text = render(HTPASSWD=USERS)
    assert text.count("user199.") == 4
    assert lint(text) == []


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [(rule, old, new) for rule, faults in FAULTS.items() for old, new in faults],
)
def test_a_fault_is_found(rendered, rule, old, new):
    assert old in rendered
    found = lint(rendered.replace(old, new))
    assert [line for line in found if line.startswith(f"{rule}, line ")], found


@pytest.mark.parametrize(("old", "new"), HARMLESS)
def test_what_is_harmless_is_not_named(rendered, old, new):
    assert old in rendered
    assert lint(rendered.replace(old, new)) == []


def test_each_rule_has_faults_that_it_finds():
    assert list(FAULTS) == [rule.__name__ for rule in RULES]
    assert all(rule.__doc__ for rule in RULES)


def test_a_finding_says_where(rendered, tmp_path):
    path = tmp_path / "nginx.conf"
    path.write_text(rendered.replace("auth_basic $realm;", "auth_basic off;"), "utf-8")
    line = 1 + rendered[: rendered.index("auth_basic $realm;")].count("\n")
    assert f"no_password_is_switched_off, line {line}: auth_basic off" in lint(path)


@pytest.mark.parametrize("end", ["}", "{", "include nothing.conf;"])
def test_what_is_no_configuration_is_refused(rendered, end):
    with pytest.raises(ValueError, match=r"\S"):
        lint(f"{rendered}\n{end}")
