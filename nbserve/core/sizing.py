"""How many bytes a model holds in memory."""

# ruff: noqa: ARG001  # the functions of a table have one form

from __future__ import annotations

import math
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from glob import escape
from itertools import islice
from pathlib import Path
from time import monotonic
from types import BuiltinFunctionType, CodeType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

__all__ = ["size_of"]

MOST_OBJECTS = 200_000
LONGEST_S = 0.3
MOST_ITEMS = 5_000
"""Of a longer container the first so many items are measured, and the rest is taken to be like them."""

MOST_TREES = 10
"""Of a booster so many rounds are weighed, and the rest is taken to be like them."""

NOT_ENTERED = (type, ModuleType, CodeType, BuiltinFunctionType)
ATOMS = (int, float, complex, bool, str, bytes, bytearray, type(None), range, slice)
CONTAINERS = (list, tuple, set, frozenset, deque)


def size_of(model: object) -> int:
    """Bytes held by the model: arrays and tensors (a shared buffer once), containers, trees. Never raises.

    What its functions merely refer to (globals, classes, modules) is not its own and not counted.
    """
    return _Scale().weigh(model)


class _Scale:
    """One measurement: what was seen already is not weighed again."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._kept_alive: list[object] = []
        self._waiting: list[tuple[object, float]] = []
        self._bytes = 0.0

    def weigh(self, model: object) -> int:
        self._waiting.append((model, 1.0))
        until = monotonic() + LONGEST_S
        for at in range(MOST_OBJECTS):
            if not self._waiting or (at % 256 == 0 and monotonic() > until):
                break
            value, weight = self._waiting.pop()
            if id(value) not in self._seen:
                self._seen.add(id(value))
                self._add(value, weight)
        return int(self._bytes)

    def _add(self, value: object, weight: float) -> None:
        try:
            own, inside = _weigh_one(value, self._seen)
        except Exception:  # noqa: BLE001  # an object of any library may refuse to be looked at
            own, inside = _shallow(value), ()
        self._bytes += weight * own
        self._wait(inside, weight)

    def _wait(self, inside: Iterable[object], weight: float) -> None:
        many = len(inside) if isinstance(inside, (*CONTAINERS, dict)) else 0
        share = max(1.0, many / MOST_ITEMS)
        for each in islice(inside, MOST_ITEMS):
            # what a getter makes anew must live until the end, or another object gets its id
            self._kept_alive.append(each)
            self._waiting.append((each, weight * share))


Weighed = tuple[float, Iterable[object]]


def _weigh_one(value: Any, seen: set[int]) -> Weighed:
    """The bytes of one object, and the objects in it."""
    kind = type(value)
    if issubclass(kind, NOT_ENTERED):
        return 0, ()
    if kind in ATOMS:
        return sys.getsizeof(value), ()
    if isinstance(value, (FunctionType, MethodType)):
        return sys.getsizeof(value), _inside_function(value)
    if isinstance(value, dict):
        return sys.getsizeof(value), _Pairs(value)
    if isinstance(value, CONTAINERS):
        return sys.getsizeof(value), [*value] if len(value) <= MOST_ITEMS else value
    for package, weigh in LIBRARIES:
        if any(each.__module__.partition(".")[0] == package for each in kind.__mro__):
            found = weigh(value, seen)
            if found is not None:
                return found
    return _shallow(value), _attributes(value)


def _shallow(value: object) -> int:
    """The object's own size; a `__sizeof__` written in Python is the user's code, and not run."""
    if isinstance(getattr(type(value), "__sizeof__", None), FunctionType):
        return object.__sizeof__(value)
    try:
        return sys.getsizeof(value)
    except Exception:  # noqa: BLE001 - that of a library may refuse
        return 0


class _Pairs(list[Any]):
    """The keys and values of a dict in turn, at most as many as are measured, of the length of all."""

    def __init__(self, mapping: Mapping[Any, Any]) -> None:
        super().__init__(each for pair in islice(mapping.items(), MOST_ITEMS // 2) for each in pair)
        self._count = 2 * len(mapping)

    def __len__(self) -> int:
        return self._count


def _inside_function(function: Any) -> list[object]:
    """What a function carries: defaults and the variables around it, its `self`; not its globals."""
    if isinstance(function, MethodType):
        return [function.__self__, function.__func__]
    cells = (cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell))
    return [*cells, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values(), function.__dict__]


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _attributes(value: object) -> Iterator[object]:
    """The object's own attributes, of its dict and its slots; no property is run."""
    with suppress(AttributeError):
        yield object.__getattribute__(value, "__dict__")
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if isinstance(member := kind.__dict__.get(name), MemberDescriptorType):
                with suppress(AttributeError):
                    yield member.__get__(value, kind)
    if isinstance(value, partial):
        yield from (value.func, value.args, value.keywords)


# --- libraries


def _weigh_numpy(value: Any, seen: set[int]) -> Weighed | None:
    if not hasattr(value, "__array_interface__") or not hasattr(value, "base"):
        return None
    owner = value
    while getattr(owner, "base", None) is not None and hasattr(owner.base, "__array_interface__"):
        owner = owner.base
    if owner is not value and id(owner) in seen:
        return 0, ()
    seen.add(id(owner))
    objects = owner.ravel().tolist() if owner.dtype.kind == "O" and owner.size <= MOST_ITEMS else ()
    return _buffer_bytes(owner, seen), objects


def _buffer_bytes(array: Any, seen: set[int]) -> int:
    """The array's bytes, unless another array over the same foreign buffer was counted."""
    address = ("buffer", int(array.__array_interface__["data"][0]))
    if array.base is not None and hash(address) in seen:
        return 0
    seen.add(hash(address))
    return int(array.nbytes)


def _weigh_frame(value: Any, seen: set[int]) -> Weighed | None:
    usage = getattr(value, "memory_usage", None)
    if usage is None:
        return None
    measured = usage(deep=False)
    return float(measured.sum() if hasattr(measured, "sum") else measured), ()


def _weigh_polars(value: Any, seen: set[int]) -> Weighed | None:
    return (float(value.estimated_size()), ()) if hasattr(value, "estimated_size") else None


def _weigh_tensor(value: Any, seen: set[int]) -> Weighed | None:
    if not hasattr(value, "untyped_storage"):
        return None
    storage = value.untyped_storage()
    address = hash(("storage", str(value.device), storage.data_ptr()))
    if address in seen:
        return 0, ()
    seen.add(address)
    grad = value.grad if getattr(value, "is_leaf", False) else None
    return float(storage.nbytes()), (() if grad is None else (grad,))


def _weigh_sklearn(value: Any, seen: set[int]) -> Weighed | None:
    """The compiled ones (trees, k-d trees, losses): their memory is seen only by what they would pickle."""
    if hasattr(value, "__dict__"):
        return None
    state = value.__getstate__() if hasattr(value, "__getstate__") else None
    return sys.getsizeof(value), () if state is None else (state,)


# what lies outside of Python's reach is estimated, without making a copy of the model


def _weigh_script(value: Any, seen: set[int]) -> Weighed | None:
    """A compiled module of torch shows its tensors through these alone."""
    if not hasattr(value, "_c") or not hasattr(value, "buffers"):
        return _weigh_tensor(value, seen)
    return sys.getsizeof(value), [*value.parameters(), *value.buffers()]


def _weigh_lightgbm(value: Any, seen: set[int]) -> Weighed | None:
    """By what its first trees take as text."""
    if not hasattr(value, "model_to_string"):
        return None
    count = int(value.current_iteration())
    few = min(count, MOST_TREES)
    return (len(value.model_to_string(num_iteration=few)) * count / few if few else 0), ()


def _weigh_xgboost(value: Any, seen: set[int]) -> Weighed | None:
    """By what its first trees take in a file."""
    if not hasattr(value, "num_boosted_rounds"):
        return None
    count = int(value.num_boosted_rounds())
    few = min(count, MOST_TREES)
    return (len(value[:few].save_raw("ubj")) * count / few if few else 0), ()


def _weigh_catboost(value: Any, seen: set[int]) -> Weighed | None:
    """A value for each class, and a weight, in each leaf."""
    if not hasattr(value, "get_tree_leaf_counts"):
        return None
    return value.get_leaf_values().nbytes + 8 * int(value.get_tree_leaf_counts().sum()), ()


def _weigh_tensorflow(value: Any, seen: set[int]) -> Weighed | None:
    """Models of Keras and TensorFlow by their variables; not what else they are tied to: graphs, the runtime."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return (_variable_bytes(value) if hasattr(value, "numpy") else 0), ()
    variables = getattr(value, "variables", None)
    if variables is None:  # what a SavedModel came back as has them among its attributes
        return None if type(value).__module__ == "tensorflow.python.saved_model.load" else (0, ())
    trained = getattr(getattr(value, "optimizer", None), "variables", ())
    return sum(map(_variable_bytes, {id(each): each for each in (*variables, *trained)}.values())), ()


def _variable_bytes(variable: Any) -> int:
    bits = re.search(r"\d+", str(getattr(variable.dtype, "name", variable.dtype)))  # bfloat16, float8_e4m3fn, bool
    return math.prod(int(each) for each in variable.shape) * (int(bits.group()) if bits else 8) // 8


def _weigh_session(value: Any, seen: set[int]) -> Weighed | None:
    """An ONNX session weighs what its file does; one made from bytes still holds them, too."""
    path, content = getattr(value, "_model_path", None), getattr(value, "_model_bytes", None)
    if path is not None:
        file = Path(path)
        return sum(each.stat().st_size for each in file.parent.glob(f"{escape(file.name)}*")), ()
    return None if content is None else (2 * len(content), ())


LIBRARIES: tuple[tuple[str, Callable[[Any, set[int]], Weighed | None]], ...] = (
    ("numpy", _weigh_numpy),
    ("pandas", _weigh_frame),
    ("polars", _weigh_polars),
    ("keras", _weigh_tensorflow),
    ("tensorflow", _weigh_tensorflow),
    ("torch", _weigh_script),
    ("lightgbm", _weigh_lightgbm),
    ("xgboost", _weigh_xgboost),
    ("catboost", _weigh_catboost),
    ("onnxruntime", _weigh_session),
    ("sklearn", _weigh_sklearn),
)
