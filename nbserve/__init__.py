"""Serve the model in your notebook with one line: ``%serve model``."""

__version__ = "0.1.0"
