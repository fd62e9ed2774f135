"""``nbserve``, the command: models served without a notebook, and files looked at.

Nothing that serves is imported before it is needed: ``nbserve --help`` is quick.
"""

from .main import main

__all__ = ["main"]
