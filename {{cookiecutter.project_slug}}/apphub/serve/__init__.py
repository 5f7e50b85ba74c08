"""The full stack on this computer: nginx, Streamlit and the login, at http://localhost:8000."""

from apphub.serve.command import serve

__all__ = ["serve"]
