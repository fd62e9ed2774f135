"""XGBoost's JSON and UBJSON: looked through before XGBoost reads them, since some that are damaged end the process."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import LoadError
from .library import fetched
from .loader import Loaded, Look, Reading
from .ubjson import read_ubjson

__all__ = ["is_xgboost", "load_xgboost", "peek_xgboost"]

LEARNER = re.compile(rb'"learner"\s*:\s*\{')
UBJSON = re.compile(rb"\{[iUIlL]\0{0,7}\x07learner\{")
LARGEST_LOOK_BYTES = 16 << 20

ESTIMATORS = {"classifier": "XGBClassifier", "regressor": "XGBRegressor", "ranker": "XGBRanker"}
"""What was saved by the estimators says so."""

NODE_ARRAYS = ("left_children", "right_children", "parents", "split_indices", "split_conditions", "default_left")


NO_PARENT = 2**31 - 1


class _Damaged(Exception):
    """The model is not what XGBoost writes."""


def is_xgboost(look: Look) -> bool:
    is_json = look.head.lstrip()[:1] == b"{" and LEARNER.search(look.head[:512]) is not None
    return is_json or UBJSON.match(look.head) is not None


def load_xgboost(reading: Reading) -> Loaded:
    data = reading.path.read_bytes()
    try:
        model = _parsed(data)
        _check(model["learner"])
    except (_Damaged, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise LoadError(
            f"{reading.path.name} is damaged or cut short: {_told(error)}.", "Save or copy it again."
        ) from None
    library = fetched("xgboost")
    booster = getattr(library, ESTIMATORS.get(_estimator(model) or "", "Booster"))()
    booster.load_model(bytearray(data))
    return Loaded(booster, _described(model))


def peek_xgboost(look: Look) -> dict[str, Any]:
    """What it says of itself; of a large one only that it is one: what tells is at its end."""
    is_small = look.size_bytes <= LARGEST_LOOK_BYTES
    return _described(_parsed(look.path.read_bytes())) if is_small else {"library": "xgboost"}


def _parsed(data: bytes) -> Any:
    return read_ubjson(data) if UBJSON.match(data) else json.loads(data)


def _estimator(model: Mapping[str, Any]) -> str | None:
    told = model["learner"].get("attributes", {}).get("scikit_learn")
    return None if told is None else json.loads(told).get("_estimator_type")


def _described(model: Mapping[str, Any]) -> dict[str, Any]:
    learner = model["learner"]
    trees = _booster(learner).get("trees")
    return {
        "library": "xgboost",
        "library_version": ".".join(str(part) for part in model.get("version", ())) or None,
        "type": ESTIMATORS.get(_estimator(model) or "", "Booster"),
        "objective": learner["objective"]["name"],
        "inputs": [{"name": name} for name in learner.get("feature_names", ())],
        "trees": None if trees is None else len(trees),
    }


def _told(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__


def _booster(learner: Mapping[str, Any]) -> Mapping[str, Any]:
    """The trees, or weights: those that DART drops some of are one level further in."""
    booster = learner["gradient_booster"]
    found: Mapping[str, Any] = booster.get("gbtree", booster)["model"]
    return found


def _check(learner: Mapping[str, Any]) -> None:
    """Raise `_Damaged`, or what reading it raises, where a tree is not whole or points to what is not there."""
    parameters, model = learner["learner_model_param"], _booster(learner)
    width = int(parameters["num_feature"])
    groups = max(1, int(parameters["num_class"])) * max(1, int(parameters.get("num_target", 1)))
    if "trees" not in model:
        if len(model["weights"]) != (width + 1) * groups:
            raise _Damaged("it has not as many weights as columns")
        return
    trees, of_group = model["trees"], model["tree_info"]
    has_vectors = any(int(tree["tree_param"].get("size_leaf_vector", 1)) > 1 for tree in trees)
    if len(of_group) != len(trees) or any(not 0 <= group < groups for group in of_group):
        raise _Damaged("its trees are not those of its classes")
    if trees and not has_vectors and max(of_group) + 1 != groups:
        raise _Damaged("it has more classes than trees for them")
    rounds = list(model.get("iteration_indptr") or ())
    if rounds and (rounds[0] != 0 or rounds[-1] != len(trees) or sorted(rounds) != rounds):
        raise _Damaged("its rounds are not those of its trees")
    if len(learner["gradient_booster"].get("weight_drop", trees)) != len(trees):
        raise _Damaged("its trees have not as many weights as there are")
    for tree in trees:
        _check_tree(tree, width)


def _check_tree(tree: Mapping[str, Any], width: int) -> None:
    parameters = tree["tree_param"]
    count = int(parameters["num_nodes"])
    if count < 1 or any(len(tree[name]) != count for name in NODE_ARRAYS) or int(parameters["num_feature"]) > width:
        raise _Damaged("a tree has not as many nodes as it says")
    width_of_leaf = max(1, int(parameters.get("size_leaf_vector", 1)))
    roots = (NO_PARENT,) if width_of_leaf == 1 else (NO_PARENT, -1)
    if len(tree["base_weights"]) < count * width_of_leaf:
        raise _Damaged("a tree has not as many weights as nodes")
    left, right = list(tree["left_children"]), list(tree["right_children"])
    inner = [at for at in range(count) if left[at] != -1]
    children = [child for at in inner for child in (left[at], right[at])]
    parents = list(tree["parents"])
    if any(not 0 < child < count for child in children) or len(set(children)) != len(children):
        raise _Damaged("its nodes are no tree")
    is_rooted = parents[0] in roots and all(parents[left[at]] == parents[right[at]] == at for at in inner)
    if not is_rooted or any(not 0 <= parent < count for parent in parents if parent not in roots):
        raise _Damaged("its nodes are no tree")
    if any(not 0 <= tree["split_indices"][at] < width for at in inner):
        raise _Damaged("it points to a column that is not there")
    _check_categories(tree, count)


def _check_categories(tree: Mapping[str, Any], count: int) -> None:
    nodes: Sequence[int] = tree.get("categories_nodes", ())
    starts: Sequence[int] = tree.get("categories_segments", ())
    sizes: Sequence[int] = tree.get("categories_sizes", ())
    known = len(tree.get("categories", ()))
    ends = [start + size for start, size in zip(starts, sizes, strict=True)]
    is_whole = len(nodes) == len(starts) and all(0 <= node < count for node in nodes)
    if not is_whole or any(not 0 <= start <= end <= known for start, end in zip(starts, ends, strict=True)):
        raise _Damaged("it points to categories that are not there")
