"""A model → its Profile: methods, features, classes, task and an example, by looking and never by calling."""

from __future__ import annotations

from .recognition import analyse
from .unseen import unseen

__all__ = ["analyse", "unseen"]
