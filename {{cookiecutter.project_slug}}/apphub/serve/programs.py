"""What `serve` requires on this computer, and how to install it."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec

import click

# Where nginx and erb may be besides PATH: Debian has nginx in sbin, Homebrew keeps its Ruby apart.
SEARCH_FOLDERS = (
    "/usr/local/sbin",
    "/usr/sbin",
    "/opt/homebrew/bin",
    "/opt/homebrew/opt/ruby/bin",
    "/usr/local/opt/ruby/bin",
)

# Each package manager's command, and its packages for nginx and erb.
PACKAGE_MANAGERS = {
    "apt-get": ("apt-get install", {"nginx": "nginx-light", "erb": "ruby"}),
    "brew": ("brew install", {"nginx": "nginx", "erb": "ruby"}),
    "dnf": ("dnf install", {"nginx": "nginx", "erb": "/usr/bin/erb"}),
    "pacman": ("pacman -S", {"nginx": "nginx", "erb": "ruby-default-gems"}),
    "apk": ("apk add", {"nginx": "nginx", "erb": "ruby-full"}),
    "zypper": ("zypper install", {"nginx": "nginx", "erb": "ruby"}),
}
WITHOUT_NGINX = "streamlit run app.py"


def check_platform() -> None:
    """Raise click.ClickException on Windows."""
    if os.name == "nt":
        raise click.ClickException(
            "nginx reaches Streamlit through a unix socket, which nginx for Windows does not have. "
            "Run this in WSL (https://learn.microsoft.com/windows/wsl/install), or run the apps "
            f"without nginx and login: {WITHOUT_NGINX}"
        )


def check_packages() -> None:
    """Raise click.ClickException unless Streamlit and uvicorn are installed in this Python."""
    missing = [name for name in ("streamlit", "uvicorn") if not find_spec(name)]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise click.ClickException(
            f"{' and '.join(missing)} {verb} not installed for {sys.executable}. Activate the "
            "project's environment, or install its packages: pip install -r requirements.txt"
        )


def find_programs(*names: str) -> list[str]:
    """Return the paths of the programs.

    Raises:
        click.ClickException: one is missing. The text says how to install it on this system.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SEARCH_FOLDERS])
    found = {name: shutil.which(name, path=path) for name in names}
    missing = [name for name, program in found.items() if not program]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise click.ClickException(
            f"{' and '.join(missing)} {verb} not installed (erb comes with Ruby). Install: "
            f"{_install_command(missing, path)}\n"
            f"Or run the apps without nginx and login: {WITHOUT_NGINX}"
        )
    return [program for program in found.values() if program]


def _install_command(missing: list[str], path: str) -> str:
    """Return what installs the programs here, or where to read about it."""
    for manager, (install, packages) in PACKAGE_MANAGERS.items():
        if shutil.which(manager, path=path):
            sudo = "" if manager == "brew" or os.geteuid() == 0 else "sudo "
            return f"{sudo}{install} {' '.join(packages[name] for name in missing)}"
    return "https://nginx.org/en/docs/install.html, https://www.ruby-lang.org/en/downloads/"
