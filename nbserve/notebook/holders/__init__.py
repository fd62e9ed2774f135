"""Who holds a model besides nbserve, and how the notebook lets go of it."""

from __future__ import annotations

from .notebook import Notebook

__all__ = ["Notebook"]
