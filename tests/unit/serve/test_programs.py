"""What `serve` requires on a computer: programs, packages, a free port; and how to get them."""

from __future__ import annotations

import os
import socket
import sys
from types import SimpleNamespace

import click
import pytest

from apphub.serve import ports, programs, serve


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install programs on a computer that has no others."""

    def install(*names: str, user: int = 1000) -> None:
        for name in names:
            (tmp_path / name).touch(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(programs, "SEARCH_FOLDERS", ())
        monkeypatch.setattr(os, "geteuid", lambda: user)

    return install


@pytest.mark.parametrize(
    ("installed", "words"),
    [
        (["apt-get"], "nginx and erb are not installed"),
        (["apt-get"], "Install: sudo apt-get install nginx-light ruby\n"),
        (["apt-get", "nginx"], "erb is not installed (erb comes with Ruby)"),
        (["apt-get", "nginx"], "Install: sudo apt-get install ruby\n"),
        (["apt-get", "brew", "erb"], "Install: sudo apt-get install nginx-light\n"),
        (["brew", "erb"], "Install: brew install nginx\n"),
        (["dnf"], "Install: sudo dnf install nginx /usr/bin/erb\n"),
        (["pacman"], "Install: sudo pacman -S nginx ruby-default-gems\n"),
        (["apk"], "Install: sudo apk add nginx ruby-full\n"),
        (["zypper"], "Install: sudo zypper install nginx ruby\n"),
        ([], "Install: https://nginx.org/en/docs/install.html"),
        ([], "streamlit run app.py"),
    ],
)
def test_missing_programs_and_how_to_install_them(install, installed, words):
    install(*installed)
    with pytest.raises(click.ClickException) as error:
        programs.find_programs("nginx", "erb")
    assert words in error.value.message


def test_root_does_not_need_sudo(install):
    install("apt-get", user=0)
    with pytest.raises(click.ClickException, match="Install: apt-get install nginx-light ruby"):
        programs.find_programs("nginx", "erb")


def test_nginx_is_found_outside_of_path(install, tmp_path, monkeypatch):
    install("erb")
    (tmp_path / "sbin").mkdir()
    (tmp_path / "sbin/nginx").touch(0o755)
    monkeypatch.setattr(programs, "SEARCH_FOLDERS", (str(tmp_path / "sbin"),))
    found = programs.find_programs("nginx", "erb")
    assert found == [str(tmp_path / "sbin/nginx"), str(tmp_path / "erb")]


def test_on_windows_it_names_the_alternatives(monkeypatch):
    monkeypatch.setattr(programs, "os", SimpleNamespace(name="nt"))
    with pytest.raises(click.ClickException, match=r"WSL.*streamlit run app\.py"):
        serve(8000)


def test_packages_that_are_not_installed(monkeypatch):
    monkeypatch.setattr(programs, "find_spec", lambda name: name != "streamlit")
    with pytest.raises(click.ClickException) as error:
        programs.check_packages()
    assert f"streamlit is not installed for {sys.executable}" in error.value.message
    assert "pip install -r requirements.txt" in error.value.message
    monkeypatch.setattr(programs, "find_spec", lambda name: True)
    programs.check_packages()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_in_use(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as other:
        other.bind((address, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(click.ClickException, match=f"Port {port} is in use.*--port {port + 1}"):
            ports.check_port(port)
    ports.check_port(port)


def test_after_the_last_port_the_default_one_is_suggested(monkeypatch):
    monkeypatch.setattr(ports, "is_listening", lambda port: True)
    with pytest.raises(click.ClickException, match="--port 8000"):
        ports.check_port(65535)
