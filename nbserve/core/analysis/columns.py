"""What the steps of a scikit-learn model know about each column of its input.

Each column is followed from the input through the steps that keep it apart, to find its categories, a likely value,
and whether a missing value survives the way.
"""

# ruff: noqa: ARG001  # the functions of a table have one form

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..schema import Datatype, Feature
from .conventions import attribute_of, from_sklearn, is_users_own
from .intent import CELLS, column_examples
from .plain import is_null, plain, root_package, words

__all__ = ["Column", "follow_columns", "inner_of", "is_text_vectorizer", "kinds_of", "members_of", "steps_of"]

INNER = ("best_estimator_", "regressor_", "estimator_", "final_estimator_")
MANY_INSIDE = words(
    "VotingClassifier VotingRegressor StackingClassifier StackingRegressor MultiOutputClassifier MultiOutputRegressor "
    "OneVsRestClassifier OneVsOneClassifier ClassifierChain RegressorChain FeatureUnion"
)
KEEP_COLUMNS = words(
    "StandardScaler MinMaxScaler MaxAbsScaler RobustScaler PowerTransformer QuantileTransformer Normalizer Binarizer"
)
IMPUTERS = frozenset(["SimpleImputer", "KNNImputer", "IterativeImputer", "MissingIndicator"])
LIKELY_VALUES = (
    "statistics_",
    "mean_",
    "center_",
    "cluster_centers_",
    "theta_",
    "means_",
    "data_min_",
    "support_vectors_",
    "_fit_X",
)
"""Fitted attributes that hold a value for each column, or rows of them."""

UNKNOWN_REFUSED = "error"
MOST_CATEGORIES = 1000


@dataclass(slots=True)
class Column:
    """One column of the input, as far as it is known."""

    name: str
    datatype: Datatype = Datatype.ANY
    categories: tuple[Any, ...] | None = None
    closed: bool = False
    example: Any = None
    is_used: bool = False
    refuses_null: bool = False

    def to_feature(self) -> Feature:
        example = self.example
        if example is None and self.is_used:
            example = "a text" if self.datatype is Datatype.STRING else 1.0
        return Feature(
            name=self.name,
            datatype=self.datatype,
            nullable=not self.refuses_null,
            categories=self.categories,
            closed=self.closed,
            example=example,
        )


@dataclass(frozen=True, slots=True)
class Track:
    """A column on its way: whether it may still be null here, and still has the input's own values."""

    column: Column
    may_be_null: bool = True
    is_raw: bool = True


@dataclass(frozen=True, slots=True)
class Flow:
    """The columns between two steps; once mixed, no position stands for one column any more."""

    tracks: tuple[Track, ...]
    is_mixed: bool = False

    def mixed(self) -> Flow:
        return replace(self, is_mixed=True)

    def without_nulls(self) -> Flow:
        return replace(self, tracks=tuple(replace(track, may_be_null=False) for track in self.tracks))

    def transformed(self) -> Flow:
        return replace(self, tracks=tuple(replace(track, is_raw=False) for track in self.tracks))

    def refuse_nulls(self) -> Flow:
        for track in self.tracks:
            track.column.refuses_null |= track.may_be_null
        return self.without_nulls()


def follow_columns(model: Any, names: Sequence[str]) -> list[Column]:
    """What the model knows about its columns."""
    columns = [Column(name) for name in names]
    for track in _follow(model, Flow(tuple(Track(column) for column in columns))).tracks:
        track.column.is_used = True
    return columns


def kinds_of(estimator: object) -> set[str]:
    """The names of the estimator's classes."""
    return {kind.__name__ for kind in type(estimator).__mro__}


def is_text_vectorizer(estimator: object) -> bool:
    """Whether it takes texts: one of scikit-learn's vectorizers with its own analyzer."""
    if not kinds_of(estimator) & {"CountVectorizer", "HashingVectorizer"}:
        return False
    return attribute_of(estimator, "input") == "content" and isinstance(attribute_of(estimator, "analyzer"), str)


def inner_of(estimator: Any) -> Any:
    """The fitted estimator inside one that merely surrounds it, or None."""
    own = getattr(estimator, "__dict__", {})
    calibrated = own.get("calibrated_classifiers_")
    if calibrated:
        return calibrated[0].estimator
    if "FrozenEstimator" in kinds_of(estimator):
        return own.get("estimator")
    return next((own[name] for name in INNER if name in own), None)


def members_of(estimator: Any) -> list[Any]:
    """The fitted estimators that each get the whole input: of a union, a vote, a stack, one for each output."""
    own = getattr(estimator, "__dict__", {})
    if "transformer_list" in own:
        return [each[1] for each in own["transformer_list"] if each[1] != "drop"]
    return [each for each in own.get("estimators_", ()) if not isinstance(each, str)]


def steps_of(pipeline: Any) -> list[Any]:
    """The steps of a pipeline that do something."""
    return [step for _, step in pipeline.steps if step is not None and step != "passthrough"]


# --- following


def _follow(estimator: Any, flow: Flow) -> Flow:
    """Note what the estimator knows, and give the columns as they come out of it."""
    if estimator is None or isinstance(estimator, str):
        return flow if estimator == "passthrough" else Flow(())
    kinds = kinds_of(estimator)
    for name, follow in FOLLOWERS:
        if name in kinds:
            return follow(estimator, flow)
    if kinds & MANY_INSIDE:
        return _follow_members(estimator, flow)
    inner = inner_of(estimator)
    return _follow_plain(estimator, flow) if inner is None else _follow(inner, flow)


def _follow_pipeline(pipeline: Any, flow: Flow) -> Flow:
    for step in steps_of(pipeline):
        flow = _follow(step, flow)
    return flow


def _follow_members(estimator: Any, flow: Flow) -> Flow:
    is_chain = bool(kinds_of(estimator) & {"ClassifierChain", "RegressorChain"})
    members = members_of(estimator)[: 1 if is_chain else None]
    flows = [_follow(member, flow) for member in members]
    return Flow(tuple(track for each in flows for track in each.tracks), is_mixed=True)


def _follow_column_transformer(transformer: Any, flow: Flow) -> Flow:
    if flow.is_mixed:
        return _follow_unknown(transformer, flow)
    flows = []
    indices = getattr(transformer, "_transformer_to_input_indices", {})
    for name, inner, wanted in transformer.transformers_:
        chosen = indices.get(name, wanted)
        tracks = tuple(flow.tracks[index] for index in chosen if isinstance(index, int) or hasattr(index, "__index__"))
        if not (isinstance(inner, str) and inner == "drop"):
            flows.append(_follow(inner, Flow(tracks)))
    return Flow(tuple(track for each in flows for track in each.tracks), any(each.is_mixed for each in flows))


def _follow_one_hot(encoder: Any, flow: Flow) -> Flow:
    closed = encoder.handle_unknown == UNKNOWN_REFUSED
    for track, values in _with_categories(encoder, flow):
        _note_categories(track, values, closed)
        track.column.refuses_null |= track.may_be_null and closed and not any(is_null(value) for value in values)
    return flow.without_nulls().transformed().mixed()


def _follow_ordinal(encoder: Any, flow: Flow) -> Flow:
    closed = encoder.handle_unknown == UNKNOWN_REFUSED
    out = []
    for track, values in _with_categories(encoder, flow):
        _note_categories(track, values, closed)
        is_known = any(is_null(value) for value in values)
        track.column.refuses_null |= track.may_be_null and closed and not is_known
        stays_null = is_known and is_null(encoder.encoded_missing_value)
        out.append(replace(track, may_be_null=track.may_be_null and stays_null, is_raw=False))
    return replace(flow, tracks=tuple(out))


def _follow_target_encoder(encoder: Any, flow: Flow) -> Flow:
    for track, values in _with_categories(encoder, flow):
        _note_categories(track, values, False)
    return flow.without_nulls().transformed().mixed()


def _follow_vectorizer(vectorizer: Any, flow: Flow) -> Flow:
    for track in flow.tracks:
        track.column.datatype = Datatype.STRING
        track.column.is_used = True
    return flow.refuse_nulls().mixed()


def _follow_function(transformer: Any, flow: Flow) -> Flow:
    """scikit-learn's FunctionTransformer: whatever the user's function does, it may do with nulls too."""
    if transformer.func is None:
        return flow
    if transformer.validate or root_package(type(transformer.func)) == "numpy":
        return _follow_unknown(transformer, _note_numbers(transformer, flow))
    return _follow_code(transformer, transformer.func, flow)


def _follow_selector(selector: Any, flow: Flow) -> Flow:
    flow = _pass_nulls(selector, _note_numbers(selector, flow))
    support = selector.get_support()
    if flow.is_mixed or len(support) != len(flow.tracks):
        return flow.mixed()
    return Flow(tuple(track for track, is_kept in zip(flow.tracks, support, strict=True) if is_kept))


def _follow_boosting(model: Any, flow: Flow) -> Flow:
    """Histogram boosting: it encodes its categorical columns itself."""
    own = getattr(model, "_preprocessor", None)
    if own is None or flow.is_mixed:
        return _follow_plain(model, flow)
    return _follow(own, flow)


def _follow_plain(estimator: Any, flow: Flow) -> Flow:
    if not from_sklearn(estimator):
        return _follow_foreign(estimator, flow)
    if _has_tag(estimator, "no_validation"):
        return _follow_unknown(estimator, flow)
    kinds = kinds_of(estimator)
    flow = _note_numbers(estimator, flow)
    if kinds & IMPUTERS and is_null(attribute_of(estimator, "missing_values")):
        return _imputed(estimator, flow)
    flow = _pass_nulls(estimator, flow).transformed()
    return flow if kinds & KEEP_COLUMNS else flow.mixed()


def _follow_foreign(estimator: Any, flow: Flow) -> Flow:
    """An estimator of the user's or of another library: what it takes is its own business."""
    if is_users_own(type(estimator)):
        return _follow_code(estimator, attribute_of(estimator, "transform"), flow)
    return _follow_unknown(estimator, _pass_nulls(estimator, flow))


def _follow_code(estimator: Any, code: Any, flow: Flow) -> Flow:
    """The user's code tells which of its columns are texts or moments."""
    examples = {} if code is None else column_examples(code)
    for track in flow.tracks:
        if track.is_raw and track.column.name in examples and track.column.example is None:
            track.column.example = examples[track.column.name]
            is_moment = track.column.example == CELLS["dt"]
            track.column.datatype = Datatype.DATETIME if is_moment else Datatype.STRING
    return _follow_unknown(estimator, flow)


def _follow_unknown(estimator: Any, flow: Flow) -> Flow:
    for track in flow.tracks:
        track.column.is_used = True
    return flow.without_nulls().transformed().mixed()


Follower = Callable[[Any, Flow], Flow]
FOLLOWERS: tuple[tuple[str, Follower], ...] = (
    ("Pipeline", _follow_pipeline),
    ("ColumnTransformer", _follow_column_transformer),
    ("OneHotEncoder", _follow_one_hot),
    ("OrdinalEncoder", _follow_ordinal),
    ("TargetEncoder", _follow_target_encoder),
    ("CountVectorizer", _follow_vectorizer),
    ("HashingVectorizer", _follow_vectorizer),
    ("FunctionTransformer", _follow_function),
    ("SelectorMixin", _follow_selector),
    ("BaseHistGradientBoosting", _follow_boosting),
)


# --- noting


def _with_categories(encoder: Any, flow: Flow) -> list[tuple[Track, list[Any]]]:
    """Each column with its categories; an encoder after mixed columns knows nothing of the input's."""
    if flow.is_mixed or len(encoder.categories_) != len(flow.tracks):
        return []
    return [(track, list(values)) for track, values in zip(flow.tracks, encoder.categories_, strict=True)]


def _note_categories(track: Track, values: list[Any], closed: bool) -> None:
    column = track.column
    column.is_used = True
    if not track.is_raw:
        return
    known = tuple(plain(value) for value in values if not is_null(value))
    column.datatype = _datatype_of(known)
    column.example = known[0] if known else None
    if len(known) <= MOST_CATEGORIES:
        column.categories, column.closed = known, closed


def _datatype_of(values: Sequence[Any]) -> Datatype:
    kinds = {type(value) for value in values}
    if kinds == {str}:
        return Datatype.STRING
    if kinds == {bool}:
        return Datatype.BOOLEAN
    return Datatype.NUMBER if kinds and kinds <= {int, float} else Datatype.ANY


def _note_numbers(estimator: Any, flow: Flow) -> Flow:
    likely = [] if flow.is_mixed else _likely_values(estimator, len(flow.tracks))
    for position, track in enumerate(flow.tracks):
        column = track.column
        column.is_used = True
        if likely and track.is_raw and column.example is None and not is_null(likely[position]):
            column.example = _rounded(likely[position])
            column.datatype = Datatype.STRING if isinstance(column.example, str) else Datatype.NUMBER
        elif track.is_raw and column.datatype is Datatype.ANY and not _takes_texts(estimator):
            column.datatype = Datatype.NUMBER
    return flow


def _takes_texts(estimator: Any) -> bool:
    """An imputer of the most frequent value takes any type of column."""
    return attribute_of(estimator, "strategy") in ("most_frequent", "constant")


def _likely_values(estimator: Any, width: int) -> list[Any]:
    for name in LIKELY_VALUES:
        values = attribute_of(estimator, name)
        if getattr(values, "ndim", 0) == 2 and hasattr(values, "tolist") and len(values) > 0:
            values = values[0]
        if getattr(values, "shape", None) == (width,):
            return list(values.tolist())
    return []


def _rounded(value: Any) -> Any:
    """Four digits are enough for an example: 38.91, not 38.90666666666667."""
    return float(f"{value:.4g}") if isinstance(value, float) else plain(value)


def _imputed(imputer: Any, flow: Flow) -> Flow:
    statistics = attribute_of(imputer, "statistics_")
    drops = statistics is not None and any(is_null(value) for value in statistics)
    changes_width = drops or attribute_of(imputer, "add_indicator", False) or "MissingIndicator" in kinds_of(imputer)
    return flow.without_nulls().mixed() if changes_width else flow.without_nulls()


def _pass_nulls(estimator: Any, flow: Flow) -> Flow:
    if not any(track.may_be_null for track in flow.tracks) or _allows_null(estimator):
        return flow
    return flow.refuse_nulls()


def _allows_null(estimator: Any) -> bool:
    return _has_tag(estimator, "allow_nan")


def _has_tag(estimator: Any, name: str) -> bool:
    get_tags = getattr(sys.modules.get("sklearn.utils"), "get_tags", None)
    try:
        if get_tags is None:
            return bool(attribute_of(estimator, "_get_tags")()[name])
        tags = get_tags(estimator)
        return bool(getattr(tags if hasattr(tags, name) else tags.input_tags, name))
    except Exception:  # noqa: BLE001  # tags are code of the estimator's author
        return False
