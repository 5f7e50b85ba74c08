"""The template, run as its users do."""

from command_line import run, template

__all__ = ["run", "template"]
