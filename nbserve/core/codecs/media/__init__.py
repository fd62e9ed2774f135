"""Bodies beside JSON: bytes → an array or columns, and a model's answer → bytes of the format that is asked for."""

from __future__ import annotations

from .choice import accepted, arguments_of, sent_as
from .formats import MEDIA
from .medium import Body, Bounds, Medium

__all__ = ["MEDIA", "Body", "Bounds", "Medium", "accepted", "arguments_of", "sent_as"]
