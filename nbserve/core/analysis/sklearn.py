"""What an object that keeps scikit-learn's conventions tells about itself: its input, its task, its settings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

from ..schema import Container, DataArgument, DataKind, Datatype, Feature, Image, Task
from .columns import follow_columns, inner_of, is_text_vectorizer, kinds_of, members_of, steps_of
from .conventions import attribute_of, definer, from_sklearn, is_users_own, method_of
from .plain import plain, plain_or_text, root_package, words
from .trees import columns_of_trees

__all__ = [
    "Input",
    "classes_of",
    "everything_inside",
    "first_code",
    "first_estimator",
    "from_boosters",
    "input_of",
    "is_multi_output",
    "is_row_wise",
    "last_estimator",
    "settings_of",
    "table_of",
    "task_of",
]

ROW_WISE_METHODS = words(
    "predict predict_proba predict_log_proba predict_joint_log_proba decision_function transform score_samples "
    "kneighbors apply"
)
ROWS_TOGETHER = frozenset(["NMF", "MiniBatchNMF", "BernoulliRBM"])
"""The solvers of the first stop when all rows together are good enough, the last draws at random."""

BOOSTERS = frozenset(["lightgbm", "xgboost", "catboost"])
"""Libraries of trees whose estimators keep the conventions, and answer each row by itself."""

WIDEST_NAMED = 4096


@dataclass(frozen=True, slots=True)
class Input:
    """What the data argument has to be. `is_positive`: negative numbers are refused. `row` is an example of a row."""

    kind: DataKind
    container: Container
    features: tuple[Feature, ...] = ()
    width: int | None = None
    row: Any = None
    is_positive: bool = False
    because: str = ""
    image: Image | None = None

    def argument(self, read: DataArgument, *, is_wrapped: bool = False) -> DataArgument:
        """The argument that was read from the method's parameters, as what the model takes.

        scikit-learn wraps some methods (`is_wrapped`) so that their first argument can be named X only.
        """
        return replace(
            read,
            kind=self.kind,
            container=self.container,
            features=self.features,
            width=self.width,
            image=self.image,
            positional=read.positional or (is_wrapped and read.name != "X"),
        )


# --- input


def input_of(model: Any) -> Input:
    """The rows that the model takes."""
    first = first_estimator(model)
    if is_text_vectorizer(first):
        return Input(DataKind.TEXTS, Container.PYTHON, row="some text", because=f"it begins with {_name(first)}")
    if kinds_of(first) & {"DictVectorizer", "FeatureHasher"}:
        return Input(DataKind.VALUE, Container.PYTHON, row=_dict_row(first), because=f"it begins with {_name(first)}")
    if _takes_one_dimension(first):
        return _one_dimension(first)
    if _input_tag(first, "three_d_array"):
        return Input(DataKind.VALUE, Container.NUMPY, row=[[1.0] * 16] * 16, because=f"{_name(first)} takes images")
    columns = columns_of_trees(first)
    if columns and first is model:
        return table_of(columns)
    names = attribute_of(model, "feature_names_in_", attribute_of(first, "feature_names_in_"))
    if names is not None:
        return _table(model, [str(name) for name in names])
    return _matrix(model, first)


def _table(model: Any, names: list[str]) -> Input:
    return table_of(tuple(column.to_feature() for column in follow_columns(model, names)), "feature_names_in_")


def table_of(features: tuple[Feature, ...], because: str = "the columns that it was trained on") -> Input:
    """Rows of named columns, as a frame where there is pandas."""
    container = Container.PANDAS if "pandas" in sys.modules else Container.NUMPY
    return Input(DataKind.TABLE, container, features, len(features), because=because)


def _matrix(model: Any, first: Any) -> Input:
    width, because = _width(model, first)
    if width is None:
        return Input(DataKind.MATRIX, Container.NUMPY, because="scikit-learn's conventions")
    names = [f"x{index}" for index in range(width)] if width <= WIDEST_NAMED else []
    features = tuple(column.to_feature() for column in follow_columns(model, names))
    is_numeric = all(feature.datatype in (Datatype.NUMBER, Datatype.ANY) for feature in features)
    if is_numeric:
        features = tuple(replace(feature, datatype=Datatype.NUMBER) for feature in features)
    return Input(
        DataKind.MATRIX if is_numeric else DataKind.TABLE,
        Container.NUMPY,
        features,
        width,
        row=[feature.example for feature in features] or [1.0] * width,
        is_positive=_input_tag(first, "positive_only"),
        because=because,
    )


def _width(model: Any, first: Any) -> tuple[int | None, str]:
    for each in (model, first):
        width = attribute_of(each, "n_features_in_")
        if width is not None:
            return int(width), "n_features_in_"
    for name in ("coef_", "components_", "cluster_centers_", "vocabulary_"):
        shape = getattr(attribute_of(first, name), "shape", ())
        if shape:
            return int(shape[-1]), name
    return None, ""


def first_estimator(model: Any) -> Any:
    """The estimator that sees the input first, through pipelines, searches and votes."""
    while True:
        if "Pipeline" in kinds_of(model):
            steps = steps_of(model)
            inside = steps[0] if steps else None
        else:
            members = members_of(model) if not kinds_of(model) & {"BaseForest", "BaseGradientBoosting"} else []
            inside = inner_of(model) if inner_of(model) is not None else (members[0] if _is_list_of(members) else None)
        if inside is None:
            return model
        model = inside


def first_code(model: Any) -> list[Callable[..., Any]]:
    """The code of the user's, or of another library's, that gets the input before anything of scikit-learn's."""
    kinds = kinds_of(model)
    if "FunctionTransformer" in kinds:
        return [model.func] if isinstance(model.func, FunctionType) else []
    if "Pipeline" in kinds:
        inside = steps_of(model)[:1]
    elif not from_sklearn(model):
        found = next((code for name in ("transform", "predict") if (code := method_of(model, name)) is not None), None)
        return [] if found is None else [found]
    else:
        inner = inner_of(model)
        inside = [inner] if inner is not None else _members_to_visit(model)
    return [code for each in inside if not isinstance(each, str) for code in first_code(each)]


def _is_list_of(members: Sequence[Any]) -> bool:
    return len(members) > 0 and hasattr(members[0], "get_params")


def _dict_row(vectorizer: Any) -> Any:
    """A record of names and values; a hasher may take them as pairs, or names alone."""
    if "FeatureHasher" in kinds_of(vectorizer):
        return {"pair": [["x0", 1.0]], "string": ["x0"]}.get(vectorizer.input_type, {"x0": 1.0})
    pairs = [str(name).partition(vectorizer.separator) for name in attribute_of(vectorizer, "feature_names_", [])]
    return {name: (value if mark else 1.0) for name, mark, value in pairs[::-1]}


def _input_tag(estimator: Any, name: str, default: bool = False) -> bool:
    get_tags = getattr(sys.modules.get("sklearn.utils"), "get_tags", None)
    try:
        return default if get_tags is None else bool(getattr(get_tags(estimator).input_tags, name, default))
    except Exception:  # noqa: BLE001  # tags are code of the estimator's author
        return default


def _takes_one_dimension(estimator: Any) -> bool:
    """Encoders of labels, and isotonic regression."""
    kinds = kinds_of(estimator)
    return bool(kinds & {"LabelEncoder", "LabelBinarizer", "MultiLabelBinarizer", "IsotonicRegression"})


def _one_dimension(estimator: Any) -> Input:
    classes = classes_of(estimator)
    value = plain(classes[0]) if classes else 1.0
    row = [value] if "MultiLabelBinarizer" in kinds_of(estimator) else value
    container = Container.PYTHON if isinstance(row, list) else Container.NUMPY
    return Input(DataKind.VALUE, container, row=row, because=f"{_name(estimator)} takes a list of values")


# --- the model


def classes_of(model: Any) -> tuple[Any, ...] | None:
    """`classes_` in JSON values; a tuple of tuples when there are several outputs. Where it is empty there are none."""
    classes = attribute_of(model, "classes_")
    if classes is None:
        return None
    try:
        found = [plain(each) for each in classes]
    except TypeError:
        return None
    return tuple(tuple(each) if isinstance(each, list) else each for each in found) or None


def is_multi_output(classes: tuple[Any, ...] | None) -> bool:
    return classes is not None and len(classes) > 0 and all(isinstance(each, tuple) for each in classes)


def settings_of(model: Any) -> dict[str, Any]:
    """`get_params(deep=False)`, what has no JSON form as text."""
    if is_users_own(definer(type(model), "get_params")):
        return {}
    get_params = attribute_of(model, "get_params")
    try:
        params = get_params(deep=False)
        return {str(name): plain_or_text(value) for name, value in params.items()}
    except Exception:  # noqa: BLE001  # a user's class may define it in any way
        return {}


TASK_CHECKS = (
    ("is_classifier", Task.CLASSIFICATION),
    ("is_regressor", Task.REGRESSION),
    ("is_clusterer", Task.CLUSTERING),
    ("is_outlier_detector", Task.ANOMALY_DETECTION),
)
TASK_BASES = (
    ("ClassifierMixin", Task.CLASSIFICATION),
    ("RegressorMixin", Task.REGRESSION),
    ("ClusterMixin", Task.CLUSTERING),
    ("OutlierMixin", Task.ANOMALY_DETECTION),
    ("BaseMixture", Task.CLUSTERING),
)


def task_of(model: Any) -> tuple[Task, str]:
    """The task, and why: scikit-learn's own checks first, then what the class is called after."""
    base = sys.modules.get("sklearn.base")
    for name, task in TASK_CHECKS:
        if _says_yes(getattr(base, name, None), model):
            return task, name
    kinds = kinds_of(model) | kinds_of(last_estimator(model))
    for name, task in TASK_BASES:
        if name in kinds:
            return task, name
    return Task.UNKNOWN, ""


def _says_yes(check: Callable[[Any], bool] | None, model: Any) -> bool:
    try:
        return check is not None and bool(check(model))
    except Exception:  # noqa: BLE001  # tags are code of the estimator's author
        return False


def everything_inside(model: Any, seen: set[int] | None = None) -> list[Any]:
    """The model and all estimators in it, but for the many alike of an ensemble."""
    seen = set() if seen is None else seen
    if id(model) in seen:
        return []
    seen.add(id(model))
    inside: list[Any] = []
    if "Pipeline" in kinds_of(model):
        inside = steps_of(model)
    elif "ColumnTransformer" in kinds_of(model):
        inside = [each[1] for each in attribute_of(model, "transformers_", [])]
    else:
        inside = [inner_of(model), *_members_to_visit(model)]
    objects = [each for each in inside if each is not None and not isinstance(each, str)]
    return [model] + [found for each in objects for found in everything_inside(each, seen)]


def _members_to_visit(model: Any) -> list[Any]:
    members = members_of(model)
    return members[:50] if _is_list_of(members) else []


def is_row_wise(model: Any, method: str) -> bool:
    """Whether the answer for a row cannot depend on the other rows, and is one array with a row for each."""
    if method not in ROW_WISE_METHODS or (method != "predict" and is_multi_output(classes_of(model))):
        return False
    return all(_is_row_wise_estimator(each) for each in everything_inside(model))


def _is_row_wise_estimator(estimator: Any) -> bool:
    if not (from_sklearn(estimator) or from_boosters(estimator)) or kinds_of(estimator) & ROWS_TOGETHER:
        return False
    draws = attribute_of(estimator, "strategy") in ("stratified", "uniform") and "DummyClassifier" in kinds_of(
        estimator
    )
    samples = attribute_of(estimator, "sample_posterior", False) is True
    has_user_code = any(
        _is_users_code(attribute_of(estimator, name))
        for name in ("func", "inverse_func", "analyzer", "tokenizer", "preprocessor", "metric", "kernel")
    )
    return not (draws or samples or has_user_code)


def _is_users_code(value: Any) -> bool:
    """Whatever can be called, but for what works element by element, or is Python's or scikit-learn's own."""
    is_harmless = type(value).__name__ in ("ufunc", "builtin_function_or_method", "method_descriptor")
    return callable(value) and not (is_harmless or from_sklearn(value))


def from_boosters(estimator: object) -> bool:
    """Whether the very class of the object is that of a library of trees."""
    return root_package(type(estimator)) in BOOSTERS


def last_estimator(model: Any) -> Any:
    while True:
        inside = (steps_of(model) or [None])[-1] if "Pipeline" in kinds_of(model) else inner_of(model)
        if inside is None:
            return model
        model = inside


def _name(model: object) -> str:
    return type(model).__name__
