"""What the rows are put into when the user says so, and the type of their numbers."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

from ..errors import OptionError
from .schema import Container, DataArgument, DataKind, Datatype, Feature

__all__ = ["contained"]

_WORDS = {
    "list": Container.PYTHON,
    "numpy": Container.NUMPY,
    "pandas": Container.PANDAS,
    "polars": Container.POLARS,
    "records": Container.RECORDS,
    "sparse": Container.SPARSE,
    "tensorflow": Container.TENSORFLOW,
    "torch": Container.TORCH,
}

_LIBRARIES = {"list": None, "records": None, "sparse": "scipy"}
"""What is needed for one, where it is not called so."""

_NUMBERS = frozenset({Datatype.NUMBER, Datatype.INTEGER, Datatype.BOOLEAN})


def contained(data: DataArgument, container: str | None, dtype: str | None) -> DataArgument:
    """The data put into that, with numbers of that type. Raises `OptionError`."""
    if container is not None:
        _check_installed(container)
        data = _put(data, _WORDS[container], container)
    return data if dtype is None else _typed(data, dtype)


def _check_installed(container: str) -> None:
    library = _LIBRARIES.get(container, container)
    if library is not None and find_spec(library) is None:
        raise OptionError(f"--container {container} needs {library}, which is not installed.", f"pip install {library}")


def _put(data: DataArgument, container: Container, word: str) -> DataArgument:
    if data.kind is DataKind.TEXTS and container not in (Container.PYTHON, Container.NUMPY, Container.PANDAS):
        raise OptionError(f"A list of texts cannot be given as {word}.", "Give list, numpy or pandas.")
    if container is Container.RECORDS and data.kind is not DataKind.TABLE:
        raise OptionError("Records have the names of columns, and none are known.", "Give them: --columns COLUMNS.")
    kind = data.kind
    has_say = data.kind is DataKind.VALUE and container is not Container.PYTHON
    return replace(data, kind=kind, container=container, annotation=None if has_say else data.annotation)


def _typed(data: DataArgument, dtype: str) -> DataArgument:
    if data.kind is DataKind.TEXTS or data.container in (Container.PYTHON, Container.RECORDS, Container.SERIES):
        what = "texts" if data.kind is DataKind.TEXTS else str(data.container)
        raise OptionError(f"--dtype {dtype} has no meaning for {what}.", "Give a container, too: --container numpy.")
    if data.kind is DataKind.TABLE and not all(each.datatype in _NUMBERS for each in data.features):
        names = ", ".join(each.name for each in data.features if each.datatype not in _NUMBERS)
        raise OptionError(f"Not all columns are numbers: {names}.", "Leave --dtype away.")
    return replace(data, dtype=dtype, features=tuple(_feature(each, dtype) for each in data.features))


def _feature(feature: Feature, dtype: str) -> Feature:
    is_integer = dtype.lstrip("u").startswith("int")
    datatype = Datatype.INTEGER if is_integer and feature.datatype is Datatype.NUMBER else feature.datatype
    return feature if feature.shape else replace(feature, dtype=dtype, datatype=datatype)
