"""Endpoints described in a file, or a dict: read with a place for each fault, and written."""

from .plans import Configuration, Plan, configuration_from, read_configuration
from .reading import SUFFIXES, is_configuration
from .writing import written

__all__ = [
    "SUFFIXES",
    "Configuration",
    "Plan",
    "configuration_from",
    "is_configuration",
    "read_configuration",
    "written",
]
