"""Deploying to Heroku: read the state, plan the steps, execute those that are left."""

from apphub.deploy.command import deploy

__all__ = ["deploy"]
