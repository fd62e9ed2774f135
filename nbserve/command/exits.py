"""How the command ends: its exit codes, beside click's own 2 for what was not understood."""

from __future__ import annotations

__all__ = ["FAILED", "INTERRUPTED"]

FAILED = 1
"""It could not be done."""

INTERRUPTED = 130
"""Somebody said to end, by the terminal."""
