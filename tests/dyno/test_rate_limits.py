"""Rate limits of login attempts: who waits, who gets 429, and who is never limited.

A limit is a queue that empties at its rate. At the lowest rate that nginx knows, what is sent can
be counted: no test depends on how fast this computer is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import crossplane
import pytest
from assertions import assert_headers
from baked import PASSWORD, USER
from http_client import HttpClient
from login_attempts import SLOW, ZONES, LoginAttempts, make_addresses, remove_rate_limits, set_rate
from nginx_probe import make_project, render, running_nginx

USERS = {USER: PASSWORD, "bob": "bob's long password"}
# How many requests can wait, and how many are let through per second.
QUEUES = {"login_per_ip": 40, "login_total": 200, "bcrypt_total": 50}
RATES = {"login_per_ip": 1.5, "login_total": 20, "bcrypt_total": 2}
ROUTER_TIMEOUT = 30  # seconds that Heroku's router waits for a response

Limited = Callable[..., AbstractContextManager[HttpClient]]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A project with two users."""
    return make_project(tmp_path_factory.mktemp("project"), users=USERS)


@pytest.fixture
def limited(local, root, nginx) -> Limited:
    """Run nginx with the given rates and no other limits, and return a client of it."""

    @contextmanager
    def limited(**rates: str) -> Iterator[HttpClient]:
        remove_rate_limits(root)
        for zone, rate in rates.items():
            set_rate(root, zone, rate)
        with running_nginx(root, nginx) as probe:
            yield HttpClient(probe.url, USERS, router=True)

    return limited


def work(client: HttpClient) -> Counter[int]:
    """Send requests of a user who is logged in, and return the responses' statuses.

    If one of them counted as a login attempt, it would be refused, or wait for minutes.
    """
    statuses: Counter[int] = Counter()
    for _ in range(10):
        # Browsers send the password, too: it does not make a login attempt of the request.
        for password in ([], [client.password_of()]):
            statuses[client.request("/", "GET", *password, session=client.session).status] += 1
    return statuses


def send_from_one_address(client: HttpClient, **options: float) -> None:
    """Send more attempts from one address than can wait, and work meanwhile."""
    assert client.session
    with LoginAttempts(client) as attempts:
        attempts.send(["127.113.0.5"] * 70)
        attempts.receive_refusals(QUEUES["login_per_ip"], **options)
        assert set(work(client)) == {200}
        for refused in attempts.responses:
            if refused.status == 429:
                assert refused.all("Retry-After") == ["10"]
                assert not refused.all("Set-Cookie")
                assert_headers(refused)


def test_attempts_from_one_address(request, online_client):
    if online_client:
        rate = RATES["login_per_ip"]
        send_from_one_address(online_client, per_second=rate, is_empty=False)
        return
    with request.getfixturevalue("limited")(login_per_ip=SLOW) as client:
        send_from_one_address(client)
        # At another address a user can log in.
        other = client.request("/", "GET", client.password_of(), address="127.113.0.6")
        assert other.status == 200


def test_attempts_from_many_addresses(limited):
    """Where each costs a bcrypt check, they share one queue."""
    with limited(bcrypt_total=SLOW) as client:
        assert client.session
        with LoginAttempts(client) as attempts:
            attempts.send(make_addresses(100))
            # The login before them was the one that does not wait.
            attempts.receive_refusals(QUEUES["bcrypt_total"] - 1)
            assert set(work(client)) == {200}


def test_attempts_with_unknown_names_from_many_addresses(limited):
    with limited(login_total=SLOW) as client:
        assert client.session
        with LoginAttempts(client, user="nobody.here") as attempts:
            attempts.send(make_addresses(230))
            attempts.receive_refusals(QUEUES["login_total"] - 1)
            assert set(work(client)) == {200}


def test_attempts_with_unknown_names_do_not_delay_a_login(limited):
    """They cost no bcrypt check, so they are not in the queue for one."""
    with limited(bcrypt_total=SLOW) as client:
        with LoginAttempts(client, user="nobody.here") as attempts:
            attempts.send(make_addresses(80))
            attempts.receive_all()
            assert attempts.statuses == {401: 80}
        # The first check, which does not wait. In a queue behind 80 others it would be refused.
        assert client.request("/", "GET", client.password_of()).status == 200


def test_an_attempt_in_the_queue_is_checked_in_its_turn(limited):
    with limited(bcrypt_total="20r/s") as client, LoginAttempts(client) as attempts:
        attempts.send(make_addresses(20))
        assert client.request("/", "GET", client.password_of("bob")).status == 200
        attempts.receive_all()
        assert attempts.statuses == {401: 20}


@pytest.mark.usefixtures("local")
def test_nobody_waits_longer_than_the_router_does(nginx, tmp_path):
    make_project(tmp_path, users={USER: PASSWORD})
    [parsed] = crossplane.parse(str(render(tmp_path)), combine=True)["config"]
    [http] = [each["block"] for each in parsed["parsed"] if each["directive"] == "http"]
    [server] = [each["block"] for each in http if each["directive"] == "server"]
    zones = [each["args"] for each in http if each["directive"] == "limit_req_zone"]
    limits = [each["args"] for each in server if each["directive"] == "limit_req"]
    seconds = {"r/s": 1, "r/m": 60}
    rates = {}
    for _, zone, rate in zones:
        number, unit = rate[5:-3], rate[-3:]
        rates[zone.split("=")[1].split(":")[0]] = int(number) / seconds[unit]
    assert rates == RATES
    assert sorted(limits) == sorted([f"zone={zone}", f"burst={QUEUES[zone]}"] for zone in ZONES)
    assert all(QUEUES[zone] / rates[zone] < ROUTER_TIMEOUT - 2 for zone in ZONES)
    # No location has limits of its own, which would replace these.
    assert '"limit_req"' not in str([each.get("block") for each in server]).replace("'", '"')
