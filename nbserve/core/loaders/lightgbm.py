"""LightGBM's text: looked through before LightGBM reads it, since that ends the process at a file that is damaged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...errors import LoadError
from .library import fetched
from .loader import Loaded, Look, Reading

__all__ = ["is_lightgbm", "load_lightgbm", "peek_lightgbm"]

MARK = re.compile(rb"tree\r?\nversion=")
FIRST, NEXT, LAST = b"\nTree=", b"Tree=", b"end of trees"
PARAMETERS, AFTER_PARAMETERS = b"\nparameters:", b"\nend of parameters"
PARAMETER = re.compile(rb"\[[^:\]]+: .*\]")
MOST_CLASSES = 1_000_000
OF_LEAVES = ("leaf_weight", "leaf_count")
OF_NODES = ("split_gain", "internal_value", "internal_weight", "internal_count")
"""What need not be there."""

IS_CATEGORICAL = 1
"""The bit of `decision_type` that says so."""


class _Damaged(Exception):
    """The text is not what LightGBM writes."""


def is_lightgbm(look: Look) -> bool:
    return MARK.match(look.head) is not None


def load_lightgbm(reading: Reading) -> Loaded:
    text = reading.path.read_bytes()
    try:
        _check(text)
    except (_Damaged, ValueError, KeyError, IndexError) as error:
        raise LoadError(
            f"{reading.path.name} is damaged or cut short: {_told(error)}.", "Save or copy it again."
        ) from None
    return Loaded(fetched("lightgbm").Booster(model_str=text.decode()), peek_lightgbm(reading.look))


def peek_lightgbm(look: Look) -> dict[str, Any]:
    header = _fields(look.head.partition(FIRST)[0])
    names = header.get("feature_names", "").split()
    return {
        "library": "lightgbm",
        "type": "Booster",
        "objective": header.get("objective"),
        "inputs": [{"name": name} for name in names],
        "trees": len(header.get("tree_sizes", "").split()) or None,
    }


def _told(error: Exception) -> str:
    return f"a tree lacks {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__


def _fields(lines: bytes) -> dict[str, str]:
    pairs = (line.partition("=") for line in lines.decode().splitlines())
    return {name: value for name, _, value in pairs}


def _check(text: bytes) -> None:
    """Raise `_Damaged`, or what reading it raises, where a tree is not whole or points to what is not there."""
    start, end = text.find(FIRST), text.find(b"\n" + LAST)
    if end < 0:
        raise _Damaged("its end is missing")
    header = _fields(text[: start if 0 <= start < end else end])
    width = int(header["max_feature_idx"]) + 1
    _check_header(header, width)
    trees = text[start + 1 : end + 1] if 0 <= start < end else b""
    blocks = [NEXT + block for block in trees.split(NEXT)[1:]] if trees else []
    sizes = header.get("tree_sizes")
    if sizes is not None and [int(size) for size in sizes.split()] != [len(block) for block in blocks]:
        raise _Damaged("its trees are not as long as it says")
    for block in blocks:
        _check_tree(_fields(block), width)
    _check_parameters(text[end:])


def _check_header(header: Mapping[str, str], width: int) -> None:
    classes, per_round = int(header["num_class"]), int(header["num_tree_per_iteration"])
    told = re.search(r"\bnum_class:(\d+)", header.get("objective", ""))
    if not 1 <= classes <= MOST_CLASSES or per_round not in (1, classes) or (told and int(told[1]) != classes):
        raise _Damaged("its classes do not fit each other")
    if len(header["feature_names"].split()) != width or len(header["feature_infos"].split()) != width:
        raise _Damaged("its columns have not as many names as there are")


def _check_parameters(text: bytes) -> None:
    """What it was trained with: LightGBM takes each line for one that it wrote."""
    _, is_there, rest = text.partition(PARAMETERS)
    lines, is_whole, _ = rest.partition(AFTER_PARAMETERS)
    if is_there and (not is_whole or not all(PARAMETER.fullmatch(line) for line in lines.split(b"\n") if line)):
        raise _Damaged("its parameters are not whole")


def _check_tree(tree: Mapping[str, str], width: int) -> None:
    leaves, is_linear = int(tree["num_leaves"]), tree.get("is_linear", "0") == "1"
    nodes = max(leaves - 1, 0)
    _numbers(tree, "leaf_value", leaves)
    if is_linear:
        _check_linear(tree, leaves, width)
    if leaves <= 1:
        return
    for name, count in (*((each, leaves) for each in OF_LEAVES), *((each, nodes) for each in OF_NODES)):
        if name in tree:
            _numbers(tree, name, count)
    _within(_whole(tree, "split_feature", nodes), 0, width, "a column")
    _check_children(tree, nodes, leaves)
    _check_categories(tree, _numbers(tree, "threshold", nodes), nodes)


def _check_children(tree: Mapping[str, str], nodes: int, leaves: int) -> None:
    """Each node has one parent, and the first none: else a row would go round for ever."""
    children = [*_whole(tree, "left_child", nodes), *_whole(tree, "right_child", nodes)]
    _within(children, -leaves, nodes, "a node")
    if sorted(child for child in children if child >= 0) != list(range(1, nodes)):
        raise _Damaged("its nodes are no tree")


def _check_categories(tree: Mapping[str, str], thresholds: Any, nodes: int) -> None:
    count = int(tree.get("num_cat", "0"))
    kinds = _whole(tree, "decision_type", nodes) if "decision_type" in tree else []
    used = [int(at) for at, kind in zip(thresholds, kinds, strict=False) if int(kind) & IS_CATEGORICAL]
    _within(used, 0, count, "categories")
    if count:
        edges = _whole(tree, "cat_boundaries", count + 1)
        if edges[0] != 0 or edges != sorted(edges):
            raise _Damaged("its categories are out of order")
        _whole(tree, "cat_threshold", edges[-1])


def _check_linear(tree: Mapping[str, str], leaves: int, width: int) -> None:
    counts = _whole(tree, "num_features", leaves)
    _numbers(tree, "leaf_const", leaves)
    _within(counts, 0, width + 1, "a column")
    _within(_whole(tree, "leaf_features", sum(counts)), 0, width, "a column")
    _numbers(tree, "leaf_coeff", sum(counts))


def _numbers(tree: Mapping[str, str], name: str, count: int) -> list[float]:
    words = tree[name].split()
    if len(words) != count:
        raise _Damaged(f"{name} has {len(words)} numbers, and not {count}")
    return [float(word) for word in words]


def _whole(tree: Mapping[str, str], name: str, count: int) -> list[int]:
    words = tree[name].split()
    if len(words) != count:
        raise _Damaged(f"{name} has {len(words)} numbers, and not {count}")
    return [int(word) for word in words]


def _within(numbers: list[int], least: int, beyond: int, what: str) -> None:
    if numbers and (min(numbers) < least or max(numbers) >= beyond):
        raise _Damaged(f"it points to {what} that is not there")
