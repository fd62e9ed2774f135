"""What a model looks like from outside: features, signatures, task, profile.

Plain data, made by `nbserve.core.analysis`, read by everything else. Nothing here refers to a model: a profile
outlives the unloading of what it describes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

__all__ = [
    "Container",
    "DataArgument",
    "DataKind",
    "Datatype",
    "Feature",
    "Finding",
    "Image",
    "Parameter",
    "Profile",
    "Signature",
    "Task",
]


class Task(StrEnum):
    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    CLUSTERING = "clustering"
    TRANSFORMATION = "transformation"
    ANOMALY_DETECTION = "anomaly detection"
    EMBEDDING = "embedding"
    GENERATION = "generation"
    UNKNOWN = "unknown"


class Datatype(StrEnum):
    """The JSON side of a value: what a caller types."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    STRING = "string"
    DATETIME = "datetime"
    ANY = "any"


class DataKind(StrEnum):
    """The form of the data argument, one row being one thing to predict."""

    TABLE = "table"
    """Rows of named columns: records, lists in the columns' order, or columns."""
    MATRIX = "matrix"
    """Rows of unnamed numbers; `DataArgument.width` of them when that is known."""
    TEXTS = "texts"
    """A list of strings."""
    VALUE = "value"
    """Whatever the annotation says, or anything at all."""


class Container(StrEnum):
    """What the model is given."""

    PANDAS = "pandas"
    SERIES = "series"
    """A pandas Series."""
    POLARS = "polars"
    EITHER = "pandas or numpy"
    """A frame when the rows are named, else an array."""
    NUMPY = "numpy"
    PYTHON = "python"
    RECORDS = "records"
    """A dict for each row."""
    TORCH = "torch"
    TENSORFLOW = "tensorflow"
    SPARSE = "sparse"
    """A scipy matrix of compressed rows, or of the kind that the annotation names."""

    @property
    def is_array(self) -> bool:
        """Whether it is made of an array, before or with the call."""
        return self in (Container.NUMPY, Container.TORCH, Container.TENSORFLOW, Container.SPARSE)


@dataclass(frozen=True, slots=True)
class Feature:
    """One named column of the input, or one named output.

    `dtype` is the library's own name for the type (``float64``, ``object``, ``category``), None when unknown.
    `shape` is that of one value: ``()`` for a scalar, -1 for any length. Where one is not `required`, `default` is what
    stands for it. `categories` are all values that the model knows, when it
    knows only so many; with `closed` the model refuses any other. `example` is a JSON value.
    """

    name: str
    datatype: Datatype = Datatype.ANY
    dtype: str | None = None
    shape: tuple[int, ...] = ()
    nullable: bool = False
    categories: tuple[Any, ...] | None = None
    closed: bool = False
    example: Any = None
    required: bool = True
    default: Any = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "datatype": str(self.datatype),
            "dtype": self.dtype,
            "shape": list(self.shape),
            "nullable": self.nullable,
            "categories": None if self.categories is None else list(self.categories),
            "closed": self.closed,
            "example": self.example,
            **({} if self.required else {"required": False, "default": self.default}),
        }


@dataclass(frozen=True, slots=True)
class Image:
    """What a picture has to be: None is any. As an array its channels come last or first; else it is Pillow's own.

    `is_many` says of Pillow's that a list of them is wanted.
    """

    channels: int | None = None
    height: int | None = None
    width: int | None = None
    channels_first: bool = False
    is_array: bool = True
    is_many: bool = True

    def to_dict(self) -> dict[str, Any]:
        return {"channels": self.channels, "height": self.height, "width": self.width, "many": self.is_many}


@dataclass(frozen=True, slots=True)
class DataArgument:
    """The argument that carries the rows.

    `features` are its columns (a TABLE always has them, a MATRIX of known width may). `by_keyword` says that it can
    be passed by name only, `positional` that it can be passed by position only; `position` counts the parameters that
    the method takes before it. `annotation` is the user's type, evaluated, or None; it is data about the function,
    and `to_dict` gives its text. With `image` it may be pictures, too. `is_said`: the user wants it put into the
    container, and what cannot be is refused.
    """

    name: str
    kind: DataKind = DataKind.VALUE
    container: Container = Container.PYTHON
    features: tuple[Feature, ...] = ()
    width: int | None = None
    by_keyword: bool = False
    annotation: Any = None
    dtype: str | None = None
    positional: bool = False
    position: int = 0
    image: Image | None = None
    is_said: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": str(self.kind),
            "container": str(self.container),
            "width": self.width,
            "dtype": self.dtype,
            "annotation": annotation_text(self.annotation),
            "features": [feature.to_dict() for feature in self.features],
            **({} if self.image is None else {"image": self.image.to_dict()}),
        }


@dataclass(frozen=True, slots=True)
class Parameter:
    """Any other argument of a method.

    `default` has a meaning only when not `required`. With `is_variadic` it is the ``*args`` of the method and takes
    a list. `positional` says that it can be passed by position only. `container` is what its value is put into when the
    annotation asks for an array or a frame.
    """

    name: str
    datatype: Datatype = Datatype.ANY
    required: bool = False
    default: Any = None
    nullable: bool = True
    choices: tuple[Any, ...] | None = None
    keyword_only: bool = False
    is_variadic: bool = False
    annotation: Any = None
    positional: bool = False
    container: Container = Container.PYTHON

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "datatype": str(self.datatype),
            "required": self.required,
            "default": _listed(self.default) if _is_plain(self.default) else repr(self.default),
            "nullable": self.nullable,
            "choices": None if self.choices is None else list(self.choices),
            "keyword_only": self.keyword_only,
            "annotation": annotation_text(self.annotation),
        }


@dataclass(frozen=True, slots=True)
class Signature:
    """One callable method of a model.

    `data` is None for a method that takes plain arguments only (``def add(a: int, b: int)``). `outputs` name the
    columns of one answered row when they are known (the classes of `predict_proba`). `row_wise` is True only when
    the answer for a row is known not to depend on the other rows. `example` is a request body that works, a JSON
    object. `accepts_any_keyword` is a method with ``**kwargs``. `attribute` is what is called to answer when it is not
    named like the method: ``__call__`` when the object itself is called. `by_position` asks for arguments to be passed
    so as far as possible: what wraps a method may give them other names. `convention` is how a library wants to be
    called where plain arguments would not do: a name in `core/invocation.py`. `runs_users_code`
    says of a row-wise method that layers of the user's take part.
    """

    method: str
    data: DataArgument | None = None
    parameters: tuple[Parameter, ...] = ()
    outputs: tuple[Feature, ...] = ()
    is_async: bool = False
    row_wise: bool = False
    accepts_any_keyword: bool = False
    example: dict[str, Any] = field(default_factory=dict)
    doc: str = ""
    attribute: str = ""
    by_position: bool = False
    convention: str = ""
    runs_users_code: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "data": None if self.data is None else self.data.to_dict(),
            "parameters": [parameter.to_dict() for parameter in self.parameters],
            "outputs": [output.to_dict() for output in self.outputs],
            "is_async": self.is_async,
            "row_wise": self.row_wise,
            "example": self.example,
            "doc": self.doc,
        }

    def __str__(self) -> str:
        """`predict(X: 4 columns, k: integer = 3)`, as a person would write it."""
        shown = [] if self.data is None else [f"{self.data.name}: {self._data_text()}"]
        shown += [_parameter_text(parameter) for parameter in self.parameters]
        return f"{self.method}({', '.join(shown)})"

    def _data_text(self) -> str:
        assert self.data is not None
        if self.data.kind is DataKind.TEXTS:
            return "texts"
        if self.data.annotation is not None and self.data.kind is DataKind.VALUE:
            return annotation_text(self.data.annotation) or "any"
        if self.data.width is None:
            return "rows" if self.data.kind is not DataKind.VALUE else "any"
        return f"{self.data.width} column{'s' if self.data.width != 1 else ''}"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something analysis found, and why it believes it: ``Finding("task", "regression", "is_regressor")``."""

    what: str
    value: Any
    because: str

    def to_dict(self) -> dict[str, Any]:
        return {"what": self.what, "value": self.value, "because": self.because}


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything that analysis found about a model.

    `signatures` is never empty and its first is the main method. `is_fitted` is None where fitting has no meaning.
    `parameters` are the model's own settings (`get_params`) in plain JSON values.
    """

    type_name: str
    module: str = ""
    library: str | None = None
    library_version: str | None = None
    task: Task = Task.UNKNOWN
    is_fitted: bool | None = None
    signatures: tuple[Signature, ...] = ()
    classes: tuple[Any, ...] | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    doc: str = ""

    @property
    def main(self) -> Signature:
        return self.signatures[0]

    @property
    def features(self) -> tuple[Feature, ...]:
        """The columns of the main method's data."""
        return () if self.main.data is None else self.main.data.features

    def signature(self, method: str) -> Signature | None:
        return next((each for each in self.signatures if each.method == method), None)

    def with_signatures(self, signatures: tuple[Signature, ...]) -> Profile:
        return replace(self, signatures=signatures)

    def to_dict(self) -> dict[str, Any]:
        return {
            "type": self.type_name,
            "module": self.module,
            "library": self.library,
            "library_version": self.library_version,
            "task": str(self.task),
            "fitted": self.is_fitted,
            "classes": None if self.classes is None else list(self.classes),
            "features": [feature.to_dict() for feature in self.features],
            "methods": [signature.to_dict() for signature in self.signatures],
            "parameters": self.parameters,
            "findings": [finding.to_dict() for finding in self.findings],
            "doc": self.doc,
        }


def annotation_text(annotation: Any) -> str | None:
    """The annotation as it would be written: ``list[float]``, not ``<class 'list'>``."""
    if annotation is None:
        return None
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return str(annotation).replace("typing.", "")


def _parameter_text(parameter: Parameter) -> str:
    text = f"{'*' if parameter.is_variadic else ''}{parameter.name}"
    if parameter.datatype is not Datatype.ANY:
        text += f": {parameter.datatype}"
    if not parameter.required and not parameter.is_variadic:
        text += f" = {parameter.default!r}"
    return text


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(type(key) is str and _is_plain(each) for key, each in value.items())
    return value is None or type(value) in (bool, int, float, str)


def _listed(value: Any) -> Any:
    """The plain value, its tuples as lists."""
    if isinstance(value, (list, tuple)):
        return [_listed(each) for each in value]
    return {key: _listed(each) for key, each in value.items()} if isinstance(value, dict) else value
