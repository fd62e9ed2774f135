"""A model that is stored somewhere: in a file of the user's, or at an address."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ..errors import LoadError, SpillError
from ..options import Options, environment_options
from ..settings import ENVIRONMENT, GIVEN, Layer, Settings
from . import loaders
from .blame import reason_of
from .loaders import Loaded
from .storages import Address, Fetch, Terms, fetched, is_address, local_path, storage_of

__all__ = ["Artifact", "ArtifactFile", "RemoteArtifact", "artifact_of", "terms_of", "to_load"]

R = TypeVar("R")

_warned: set[Path] = set()


HARMLESS = frozenset((".cbm", ".h5", ".json", ".keras", ".npy", ".npz", ".onnx", ".safetensors", ".skops", ".ubj"))
"""Names of formats that run no code: a pickle that is called so is not loaded unless somebody says that it may be."""


class Artifact:
    """Brings a model back from where it is stored, as often as it is unloaded.

    `origin` says where that is, without what opens it; `label` is what it is called.
    """

    label: str
    origin: str
    advice: str = ""
    """A sentence for its owner, where something will be done that he may not expect."""

    def __init__(self) -> None:
        self.meta: dict[str, Any] = {}
        self._progress: tuple[int, int] | None = None

    def ask(self, options: Options) -> None:
        """Take over on which terms it is loaded. Raises `LoadError` where it must run code and may not."""
        raise NotImplementedError

    @property
    def stem(self) -> str:
        """Its name without what says the format."""
        return Path(self.label).stem

    @property
    def spilled_bytes(self) -> int:
        """Nothing is ever put aside: it is stored."""
        return 0

    @property
    def expected_bytes(self) -> int:
        """About what the model will weigh: what is stored does."""
        raise NotImplementedError

    @property
    def progress(self) -> tuple[int, int] | None:
        return self._progress

    def peek_header(self) -> dict[str, Any] | None:
        """What is told of the model without its being loaded. Raises `LoadError`."""
        raise NotImplementedError

    def load(self) -> Any:
        loaded = self.loaded()
        self.meta = loaded.meta
        return loaded.model

    def loaded(self) -> Loaded:
        """The model, and what its file says about it. Raises `LoadError`."""
        try:
            return self._loaded()
        finally:
            self._progress = None

    def keep(self, model: object) -> None:
        """It is stored already."""

    def leave(self) -> None:
        """Nobody else holds the model on its behalf."""

    def release(self) -> None:
        """Nothing was put aside."""

    def peek(self, look: Callable[[Any], R]) -> R | None:  # noqa: ARG002  # there is nothing to look at
        return None

    def _loaded(self) -> Loaded:
        raise NotImplementedError

    def _note_progress(self, done: int, total: int) -> None:
        self._progress = (done, total)


class ArtifactFile(Artifact):
    """One in a file or folder of this machine.

    The file is recognised at once, and read only by `load`. Raises `LoadError` for one that is missing, is no model, or
    is not trusted although it must be. Where a relative path, `~` or a link leads to is settled here, once.

    `trust` is whether code in the file may run. None: it may in a format that cannot be read otherwise, and `advice`
    says so; not in one that can. `model_class` makes the model for a file of weights.
    """

    def __init__(self, path: str | os.PathLike[str], *, trust: bool | None = None, model_class: Any = None) -> None:
        super().__init__()
        self.path = _settled(path)
        self.label = Path(path).name or self.path.name
        self.origin = str(self.path)
        self.loader = loaders.find_loader(self.path, model_class=model_class)
        self._model_class = model_class
        self._ask_trust(trust)
        self._expected_bytes = _size(self.path)

    @property
    def stem(self) -> str:
        return self.path.stem

    def ask(self, options: Options) -> None:
        self._ask_trust(options.trust)

    @property
    def expected_bytes(self) -> int:
        return self._expected_bytes

    def peek_header(self) -> dict[str, Any] | None:
        return loaders.peek(self.path)

    def keep(self, model: object) -> None:  # noqa: ARG002  # it is in the file already
        if not self.path.exists():
            raise SpillError(f"{self.label} is gone, and the model could not come back.", "It stays loaded.")

    def _ask_trust(self, trust: bool | None) -> None:
        runs_code = self.loader.runs_code
        if runs_code and (trust is False or (trust is None and _is_disguised(self.path))):
            raise loaders.untrusted(self.path.name, self.loader)
        self.trust = runs_code if trust is None else trust
        self.advice = _advice(self.path, "--trust") if trust is None and runs_code else ""

    def _loaded(self) -> Loaded:
        return loaders.load(self.path, trust=self.trust, progress=self._note_progress, model_class=self._model_class)


class RemoteArtifact(Artifact):
    """One at an address. What it is, is known when it has come, with the first load; later ones ask whether it changed.

    Raises `LoadError` for an address that nothing here can read. What must run code is loaded only with `trust`.
    """

    def __init__(
        self, address: Address, *, trust: bool | None = None, terms: Terms | None = None, model_class: Any = None
    ) -> None:
        super().__init__()
        self._model_class = model_class
        self.address = address
        self.label = address.name
        self.origin = address.shown
        self.trust = trust is True
        self.terms = terms or Terms()
        self._storage = storage_of(address)
        self._fetch: Fetch | None = None
        self._expected_bytes = 0

    def ask(self, options: Options) -> None:
        self.trust = options.trust is True
        self.terms = terms_of(options)

    @property
    def expected_bytes(self) -> int:
        """0 before the first load: an address is not asked before it is needed."""
        return self._expected_bytes

    @property
    def progress(self) -> tuple[int, int] | None:
        """Of the fetch, and then of what is read of it."""
        fetch = self._fetch
        return self._progress if fetch is None else fetch.progress

    def peek_header(self) -> dict[str, Any] | None:
        return None

    def _loaded(self) -> Loaded:
        try:
            with fetched(self.address, self._storage, self.terms, self._begun) as path:
                self._fetch = None
                self._expected_bytes = _size(path)
                return loaders.load(path, trust=self.trust, progress=self._note_progress, model_class=self._model_class)
        finally:
            self._fetch = None

    def _begun(self, fetch: Fetch) -> None:
        self._fetch = fetch


def artifact_of(
    given: str | os.PathLike[str], options: Options | None = None, namespace: Mapping[str, Any] | None = None
) -> Artifact:
    """What is stored at a path or an address. `namespace` has the classes of the notebook. Raises `LoadError`."""
    options = options or Options()
    place, model_class = _place(given), loaders.maker_of(options.model_class, namespace)
    if isinstance(place, Address):
        return RemoteArtifact(place, trust=options.trust, terms=terms_of(options), model_class=model_class)
    return ArtifactFile(place, trust=options.trust, model_class=model_class)


def terms_of(options: Options) -> Terms:
    """What the options say of fetching."""
    cache = None if options.cache is None else Path(options.cache)
    return Terms(options.artifact_limit, options.load_deadline_s, cache, options.cache_limit)


def to_load(path: str | os.PathLike[str], trust: bool | None, given: Mapping[str, Any]) -> Artifact:
    """What `nbserve.load` loads; its caller is warned of code that would be run. Raises `LoadError`, `OptionError`."""
    place = _place(path)
    options = _loading_options({"trust": trust, **given})
    if isinstance(place, Address):
        return RemoteArtifact(place, trust=trust, terms=terms_of(options), model_class=options.model_class)
    file = ArtifactFile(place, trust=trust, model_class=options.model_class)
    if trust is None and file.trust and file.path not in _warned:
        _warned.add(file.path)
        warnings.warn(_advice(file.path, "trust=True"), UserWarning, stacklevel=3)
    return file


LOADING = ("artifact_limit", "cache", "cache_limit", "load_deadline_s", "model_class", "trust")
"""The options that are about a load."""


def _loading_options(given: dict[str, Any]) -> Options:
    unknown = next((name for name in given if name not in LOADING), None)
    if unknown is not None:
        raise TypeError(f"load() has no argument {unknown!r}; it has {', '.join(LOADING)}")
    shared = {name: value for name, value in environment_options().items() if name in LOADING and name != "trust"}
    return Settings.of(Layer(GIVEN, given), Layer(ENVIRONMENT, shared, is_shared=True)).options


def _advice(path: Path, how: str) -> str:
    return f"Loading {path.name} runs the code that is in it; {how} says that you trust it."


def _place(given: str | os.PathLike[str]) -> Address | str | os.PathLike[str]:
    """An address of somewhere else, or a path. Raises `LoadError`."""
    if isinstance(given, str) and not given.strip():
        raise LoadError("The path of the model is empty.", "Give the path of a file.")
    if not isinstance(given, str) or not is_address(given):
        return given
    address = Address.read(given)
    return local_path(address) or address


def _settled(path: str | os.PathLike[str]) -> Path:
    try:
        settled = Path(path).expanduser().resolve()
        exists = settled.exists()
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        name = str(path).rpartition(os.sep)[2][:80]
        raise LoadError(f"{name!r} is no path: {reason_of(error)}.", "Give the path of a file.") from None
    if not exists:
        raise loaders.no_such_file(settled)
    return settled


def _is_disguised(path: Path) -> bool:
    """Whether a file whose name promises that it runs no code is one that does, as a pickle would be."""
    return path.suffix.lower() in HARMLESS


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())
    return path.stat().st_size
