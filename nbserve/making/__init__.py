"""A program of the user's own that serves the same models with the same answers."""

from .app import make_app

__all__ = ["make_app"]
