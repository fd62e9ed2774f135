"""The libraries that formats are read with: imported when a file needs them, and never before."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ...errors import LoadError

__all__ = ["fetched", "lacks"]

DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python",
    "imblearn": "imbalanced-learn",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "umap": "umap-learn",
}
"""What is not installed under the name that it is imported by."""


def fetched(name: str) -> Any:
    """A module by its name. Raises `LoadError` when its library is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if _root(error.name) != _root(name):
            raise
        raise lacks(name) from None


def lacks(name: str) -> LoadError:
    """The sentence for a module that is not there: a library that is missing, or one of another version."""
    root = _root(name)
    if root != name and _is_installed(root):
        return LoadError(
            f"The file needs {name}, which the {root} that is installed does not have.",
            f"Install the version of {root} that the model was saved with.",
        )
    return LoadError(f"The file needs {root}, which is not installed.", f"pip install {DISTRIBUTIONS.get(root, root)}")


def _root(name: str | None) -> str:
    return (name or "").partition(".")[0]


def _is_installed(root: str) -> bool:
    try:
        return find_spec(root) is not None
    except (ImportError, ValueError):  # ValueError: a module without a spec, such as __main__
        return False
