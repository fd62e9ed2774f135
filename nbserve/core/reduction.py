"""How the objects of some libraries are put aside, where pickle's own way copies them, or has none.

A reduction is what `object.__reduce__` answers: a function, and the arguments that make the object anew. The bytes of
a model are given as `pickle.PickleBuffer`, and so go to the file without a second copy.
"""

# ruff: noqa: SLF001  # what a library's objects were made from is seldom public

from __future__ import annotations

import ctypes
import importlib
import io
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from ..errors import SpillError
from .blame import reason_of

__all__ = ["AsItIs", "Reduction", "watch"]

Reduced = tuple[Callable[..., Any], tuple[Any, ...]]
Way = Callable[[Any, "Reduction"], Reduced | None]

_STAYS = "It stays loaded; stop the endpoint to let go of it."


@dataclass(frozen=True, slots=True)
class AsItIs:
    """An object that stays in memory, and is the same again: small, and nothing can make another one."""

    kept: Any


class Reduction:
    """The reductions of one pickle: what is shared in the model is still shared when it has come back."""

    def __init__(self) -> None:
        self._ways: dict[type, Way | None] = {}
        self.storages: dict[int, Any] = {}

    def of(self, obj: Any) -> Reduced | None:
        """None: pickle knows the better way."""
        kind = type(obj)
        if kind not in self._ways:
            self._ways[kind] = _way_of(kind)
        way = self._ways[kind]
        return None if way is None else way(obj, self)


def _way_of(kind: type) -> Way | None:
    return next((way for claims, way in WAYS if claims(kind)), None)


# --- Python


def _reduce_bytes_io(stream: io.BytesIO, _: Reduction) -> Reduced:
    return _bytes_io, (pickle.PickleBuffer(stream.getbuffer()), stream.tell())


def _bytes_io(content: Any, at: int) -> io.BytesIO:
    stream = io.BytesIO(content)
    stream.seek(at)
    return stream


# --- torch: a tensor is a view of a storage; its own pickle makes a copy of each storage


def _reduce_typed_storage(storage: Any, shared: Reduction) -> Reduced | None:
    untyped = storage._untyped_storage
    if not _is_plain(untyped):
        return None
    return _typed_storage, (shared.storages.setdefault(untyped._cdata, untyped), storage.dtype)


def _reduce_untyped_storage(storage: Any, shared: Reduction) -> Reduced | None:
    if not _is_plain(storage):
        return None
    shared.storages.setdefault(storage._cdata, storage)
    size = storage.nbytes()
    content = (ctypes.c_char * size).from_address(storage.data_ptr()) if size else b""
    return _untyped_storage, (pickle.PickleBuffer(content),)


def _is_plain(storage: Any) -> bool:
    return bool(storage.device.type == "cpu")


def _typed_storage(untyped: Any, dtype: Any) -> Any:
    torch: Any = sys.modules["torch"]
    return torch.storage.TypedStorage(wrap_storage=untyped, dtype=dtype, _internal=True)


def _untyped_storage(content: Any) -> Any:
    torch: Any = sys.modules["torch"]
    if memoryview(content).nbytes == 0:
        return torch.UntypedStorage(0)
    return torch.frombuffer(content, dtype=torch.uint8).untyped_storage()


def _by_saving(package: str) -> Way:
    """What torch writes in a form of its own, and refuses to pickle."""

    def reduce(program: Any, _: Reduction) -> Reduced:
        stream = io.BytesIO()
        with _without_warnings():
            importlib.import_module(package).save(program, stream)
        stream.seek(0)
        return _saved_by_torch, (package, stream)

    return reduce


def _saved_by_torch(package: str, stream: io.BytesIO) -> Any:
    with _without_warnings():
        return importlib.import_module(package).load(stream)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """The user has been told what torch thinks of the way that the model was made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# --- Keras: a model is made anew from its settings, for which the user's own classes must be known


def _reduce_keras(model: Any, _: Reduction) -> Reduced:
    make, given = model.__reduce__()
    own = dict(_own_objects(model))
    _try_keras(model, make, given, own)
    return _made_by_keras, (own, make, given)


def _made_by_keras(own: dict[str, Any], make: Callable[..., Any], given: tuple[Any, ...]) -> Any:
    keras: Any = sys.modules["keras"]
    with keras.saving.custom_object_scope(own):
        return make(*given)


def _try_keras(model: Any, make: Callable[..., Any], given: tuple[Any, ...], own: dict[str, Any]) -> None:
    """The settings may not say all that a class of the user's needs: that must come out while the model is there."""
    try:
        again = _made_by_keras(own, make, given)
        pairs = zip(model.weights, again.weights, strict=True)
        is_same = all(_bytes_of(one) == _bytes_of(other) for one, other in pairs)
    except Exception as error:  # noqa: BLE001 - the user's classes
        raise SpillError(f"Keras could not make the model anew ({reason_of(error)}).", _STAYS) from None
    if not is_same:
        raise SpillError("The model would come back from Keras with other weights.", _STAYS)


def _bytes_of(variable: Any) -> bytes:
    keras: Any = sys.modules["keras"]
    return bytes(keras.ops.convert_to_numpy(variable).tobytes())


def _own_objects(model: Any) -> Iterator[tuple[str, Any]]:
    """The classes and functions in a model that are the user's own, by the names that Keras gives them."""
    keras: Any = sys.modules["keras"]
    for part in _parts_of(model):
        for each in (part, type(part), *getattr(part, "__dict__", {}).values()):
            if isinstance(each, (type, FunctionType)) and _package_of(each) not in ("keras", "builtins"):
                yield each.__name__, each
                yield keras.saving.get_registered_name(each), each


def _package_of(code: Any) -> str:
    return str(code.__module__).partition(".")[0]


def _parts_of(model: Any) -> Iterator[Any]:
    yield from model._flatten_layers()
    yield from getattr(model, "metrics", ())
    trained = [getattr(model, "optimizer", None), getattr(model, "loss", None)]
    while trained:
        each = trained.pop()
        if isinstance(each, (list, tuple)):
            trained.extend(each)
        elif isinstance(each, dict):
            trained.extend(each.values())
        elif each is not None:
            yield each


# --- TensorFlow


def _refuse_saved_model(_: Any, __: Reduction) -> Reduced:
    raise SpillError(
        "A SavedModel that the notebook has loaded cannot be put aside.",
        "It stays loaded; serve its folder instead, and it is read from there again.",
    )


# --- ONNX Runtime: a session is made anew from the bytes that it was made from, with its own settings

_watched: WeakKeyDictionary[Any, tuple[int, ...]] = WeakKeyDictionary()


def watch(model: Any) -> None:
    """Remember what the file is now that a session in `model` was made from: later it may be another one."""
    session_type = getattr(sys.modules.get("onnxruntime"), "InferenceSession", None)
    if session_type is None:
        return
    with suppress(Exception):  # an object of any library may refuse to be looked at
        for each in (model, *getattr(model, "__dict__", {}).values()):
            if isinstance(each, session_type) and each._model_path is not None:
                _watched[each] = _state_of(each._model_path)


def _state_of(path: str) -> tuple[int, ...]:
    found = Path(path).stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _reduce_session(session: Any, _: Reduction) -> Reduced:
    path, content = session._model_path, session._model_bytes
    settings = {
        "sess_options": AsItIs(session._sess_options_initial),
        "providers": [(name, session.get_provider_options()[name]) for name in session.get_providers()],
    }
    if path is not None:
        content = _content_of(session, path, settings)
    return _session, (path, pickle.PickleBuffer(content), settings)


def _content_of(session: Any, path: str, settings: dict[str, Any]) -> bytes:
    """The file that a session was made from. Raises `SpillError` if it is another one by now, or not all of it."""
    try:
        is_changed = _watched.get(session) not in (None, _state_of(path))
        content = Path(path).read_bytes()
        again = _session(None, content, settings)
    except Exception as error:  # noqa: BLE001 - no file any more, or a part of the weights in another file
        raise SpillError(f"The session could not be made anew ({reason_of(error)}).", _STAYS) from None
    if is_changed or _face_of(again) != _face_of(session):
        raise SpillError(f"The session was made from {Path(path).name}, which has been changed since.", _STAYS)
    return content


def _face_of(session: Any) -> object:
    """What a session says of itself: inputs, outputs, and where its graph comes from."""
    described = session.get_modelmeta()
    names = ("custom_metadata_map", "description", "domain", "graph_name", "producer_name", "version")
    arguments = [(each.name, each.type, each.shape) for each in (*session.get_inputs(), *session.get_outputs())]
    return arguments, [getattr(described, name, None) for name in names]


def _session(path: str | None, content: Any, settings: dict[str, Any]) -> Any:
    onnxruntime: Any = sys.modules["onnxruntime"]
    content = bytes(content)
    options = settings["sess_options"]
    settings = {**settings, "sess_options": options.kept if isinstance(options, AsItIs) else options}
    if path is not None and _is_there(path, content):
        session = onnxruntime.InferenceSession(path, **settings)  # which does not hold the bytes
        watch(session)
        return session
    return onnxruntime.InferenceSession(content, **settings)


def _is_there(path: str, content: bytes) -> bool:
    try:
        return Path(path).read_bytes() == content
    except OSError:
        return False


# --- the table


def _is_a(module: str, name: str) -> Callable[[type], bool]:
    def claims(kind: type) -> bool:
        known = getattr(sys.modules.get(module), name, None)
        return isinstance(known, type) and issubclass(kind, known)

    return claims


def _is_saved_model(kind: type) -> bool:
    return kind.__module__ == "tensorflow.python.saved_model.load"


WAYS: tuple[tuple[Callable[[type], bool], Way], ...] = (
    (lambda kind: kind is io.BytesIO, _reduce_bytes_io),
    (_is_a("torch.storage", "TypedStorage"), _reduce_typed_storage),
    (_is_a("torch", "UntypedStorage"), _reduce_untyped_storage),
    (_is_a("torch.jit", "ScriptModule"), _by_saving("torch.jit")),
    (_is_a("torch.export", "ExportedProgram"), _by_saving("torch.export")),
    (_is_a("keras", "Model"), _reduce_keras),
    (_is_saved_model, _refuse_saved_model),
    (_is_a("onnxruntime", "InferenceSession"), _reduce_session),
)
