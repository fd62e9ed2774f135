"""Every option, once: its type, default, check and help text feed the magic, the Python call and the docs."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_address
from typing import Any

from .columns import columns_from, row_from
from .errors import OptionError, nearest

__all__ = [
    "OPTIONS",
    "PASSWORD_VARIABLE",
    "Option",
    "Options",
    "check_name",
    "environment_options",
    "option_names",
    "options_from",
    "read_option",
]

ENVIRONMENT = "NBSERVE_"
"""What the environment's names of the options begin with: ``NBSERVE_BUDGET=2GB``."""

PASSWORD_VARIABLE = f"{ENVIRONMENT}KEYFILE_PASSWORD"
"""Where the password of an encrypted key is, and no option: what is typed into a cell is saved with the notebook."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?")

RESERVED_NAMES = frozenset({"docs", "favicon.ico", "health", "metrics", "openapi.json", "ready", "redoc"})
"""First parts of a path that the server itself answers."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of `serve`.

    `read` turns what was typed into the value and raises ValueError with what is allowed. `metavar` is None for a
    switch; the flag of one that is on is `--no-name`. `is_shared` says that a default for all endpoints makes sense:
    it can be set by ``%config`` and in the environment. The value of one that
    `is_variable` may be the name of a variable on a magic's line.
    """

    name: str
    default: Any
    read: Callable[[Any], Any]
    help: str
    metavar: str | None
    is_shared: bool = True
    is_variable: bool = False

    @property
    def label(self) -> str:
        """The name without its unit, as it is typed and spoken of."""
        return self.name.removesuffix("_s").replace("_", "-")

    @property
    def flag(self) -> str:
        return f"--no-{self.label}" if self.metavar is None and self.default else f"--{self.label}"

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return ENVIRONMENT + self.label.replace("-", "_").upper()


def _name(given: Any) -> str:
    if not isinstance(given, str) or not _NAME.fullmatch(given):
        raise ValueError("letters, digits, '_', '-' and '.', beginning with a letter or digit, 64 at most")
    if given in RESERVED_NAMES:
        raise ValueError(f"a name other than {', '.join(sorted(RESERVED_NAMES))}")
    return given


def _path(given: Any) -> str:
    """``/model``, the same as the name ``model``."""
    if not isinstance(given, str) or not given.strip("/"):
        raise ValueError("a path of one part, such as /model")
    return _name(given.removeprefix("/").removesuffix("/"))


def _host(given: Any) -> str:
    """``0.0.0.0``, ``[::1]``, ``localhost``: whose it is, is seen when it is listened on."""
    host = given.removeprefix("[").removesuffix("]") if isinstance(given, str) else ""
    try:
        if ":" in host and "%" not in host:
            return str(ip_address(host))
        if _HOST.fullmatch(host):
            return host
    except ValueError:
        pass
    raise ValueError("a number or a name of this machine, such as 0.0.0.0 (for all that it has) or localhost")


def _file(given: Any) -> str:
    path = os.fspath(given) if isinstance(given, (str, os.PathLike)) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise ValueError("the path of a PEM file")
    return os.path.expanduser(path)  # noqa: PTH111 - it stays as it was typed


def _integer(least: int, most: int) -> Callable[[Any], int]:
    def read(given: Any) -> int:
        allowed = f"a whole number from {least} to {most}"
        if isinstance(given, bool) or not isinstance(given, (int, str)):
            raise ValueError(allowed)
        try:
            number = int(given)
        except ValueError:
            raise ValueError(allowed) from None
        if not least <= number <= most:
            raise ValueError(allowed)
        return number

    return read


_TIME_UNITS = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}


def _quantity(units: Mapping[str, float], allowed: str) -> Callable[[Any], float]:
    def read(given: Any) -> float:
        try:
            quantity = _number(given, units)
        except (OverflowError, ValueError):
            raise ValueError(allowed) from None
        if not 0 < quantity < math.inf:
            raise ValueError(allowed)
        return quantity

    return read


def _number(given: Any, units: Mapping[str, float]) -> float:
    """Raises ValueError, OverflowError."""
    if isinstance(given, bool):
        raise ValueError
    if isinstance(given, (int, float)):
        return float(given)
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)", str(given).strip().lower())
    if found is None or found[2] not in units:
        raise ValueError
    return float(found[1]) * units[found[2]]


_time = _quantity(_TIME_UNITS, "a time above 0, such as 30s, 500ms or 2m")


def _size(given: Any) -> int:
    allowed = "a size of 1 byte or more, such as 64MiB or 500kB"
    size = _quantity(_SIZE_UNITS, allowed)(given)
    if size < 1:
        raise ValueError(allowed)
    return int(size)


def _budget(given: Any) -> int:
    """0 is none."""
    is_none = given == "none" or (type(given) is int and given == 0)
    return 0 if is_none else _size(given)


def _folder(given: Any) -> str:
    if not isinstance(given, (str, os.PathLike)) or not os.fspath(given) or "\0" in str(given):
        raise ValueError("the path of a folder")
    return str(os.fspath(given))


def _switch(given: Any) -> bool:
    read = _WORDS.get(given.strip().lower()) if isinstance(given, str) else given
    if not isinstance(read, bool):
        raise ValueError("True or False")
    return read


_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def _choice(*choices: str) -> Callable[[Any], str]:
    def read(given: Any) -> str:
        if given not in choices:
            raise ValueError(" or ".join(map(repr, choices)))
        return str(given)

    return read


def _names(given: Any) -> tuple[str, ...]:
    """``age,name``, or the names in a list."""
    allowed = "names of fields, separated by commas, such as age,name"
    names = given.split(",") if isinstance(given, str) else given
    if not isinstance(names, (list, tuple, set, frozenset)) or not all(isinstance(name, str) for name in names):
        raise ValueError(allowed)
    read = tuple(sorted({name.strip() for name in names}))
    if not read or "" in read:
        raise ValueError(allowed)
    return read


_CLASS = re.compile(r"[A-Za-z_]\w*(?:[.:][A-Za-z_]\w*)*")


def _model_class(given: Any) -> Any:
    """A class, a function, or the name of one: it is looked up when the model is served."""
    if isinstance(given, str) and _CLASS.fullmatch(given.strip()):
        return given.strip()
    if isinstance(given, str) or not callable(given):
        raise ValueError("a class or a function that makes the model, or the name of one, such as Net or package.Net")
    return given


DTYPES = (
    "float32",
    "float64",
    "float16",
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
)

_batch_word = _choice("auto", "on", "off")


def _batch(given: Any) -> str:
    """True and False, too."""
    return _batch_word({True: "on", False: "off"}[given] if isinstance(given, bool) else given)


OPTIONS: tuple[Option, ...] = (
    Option(
        "name", None, _name, "the endpoint's name, the first part of its path (default: the variable's)", "NAME", False
    ),
    Option("path", None, _path, "the same, as a path: /model", "PATH", False),
    Option("port", None, _integer(0, 65535), "listen here (default: any free port); one port serves a session", "PORT"),
    Option(
        "host", None, _host, "listen on this address (default: 127.0.0.1, this machine alone); needs tokens", "HOST"
    ),
    Option("certfile", None, _file, "serve over https, with the certificate in this PEM file", "FILE"),
    Option("keyfile", None, _file, "the certificate's key, where another file holds it", "FILE"),
    Option("token", True, _switch, "serve without a token, to everybody on this machine", None),
    Option("threads", 1, _integer(1, 64), "calls of the model at once; more than 1 if it is thread-safe", "N"),
    Option("queue", 1024, _integer(1, 1_000_000), "calls that may wait; one more is answered 429", "N"),
    Option(
        "batch",
        "auto",
        _batch,
        "calls that wait share a run of the model: on, off, or (auto) where a row's answer is known to be its own",
        "WHEN",
    ),
    Option(
        "mode",
        "auto",
        _choice("auto", "direct", "queue", "batch"),
        "direct (at once or 429), queue (one after another), batch (calls share runs), or auto: as --batch says",
        "MODE",
    ),
    Option("max_requests", None, _integer(1, 1_000_000), "requests in flight at once; one more is answered 429", "N"),
    Option("max_rows", None, _integer(1, 1_000_000_000), "rows of one request; more are answered 413", "N"),
    Option("deadline_s", 60.0, _time, "an answer that takes longer is given up, 504", "TIME"),
    Option("result_ttl_s", 600.0, _time, "the result of a request with ?ticket=1 is kept so long", "TIME"),
    Option("body_limit", 64 * 1024**2, _size, "the largest request body, such as 64MiB; a larger one is 413", "SIZE"),
    Option(
        "columns",
        None,
        columns_from,
        'the columns of the rows, with their types: a variable with [{"name": "age", "type": "number"}, …]',
        "COLUMNS",
        False,
        is_variable=True,
    ),
    Option(
        "row", None, row_from, "a pydantic class that checks each row: a variable", "CLASS", False, is_variable=True
    ),
    Option(
        "container",
        None,
        _choice("numpy", "pandas", "polars", "list", "records", "torch", "tensorflow", "sparse"),
        "what the model is given its rows in: numpy, pandas, polars, list, records, torch, tensorflow, sparse",
        "WHAT",
        False,
    ),
    Option(
        "dtype",
        None,
        _choice(*DTYPES),
        "the type of the numbers of an array or a frame, such as float32",
        "DTYPE",
        False,
    ),
    Option(
        "loop",
        "own",
        _choice("own", "kernel"),
        "where an async model is awaited: on a loop of its own, or on the kernel's, with what was made there",
        "LOOP",
    ),
    Option("eager", False, _switch, "load it now, and not with the first request", None),
    Option("trust", None, _switch, "loading the file may run the code in it", None),
    Option(
        "model_class",
        None,
        _model_class,
        "the class, or a function, that makes the model of a file with weights alone",
        "NAME",
        False,
    ),
    Option("load_deadline_s", 600.0, _time, "a load that takes longer has failed, 503", "TIME"),
    Option("artifact_limit", 8 * 1024**3, _size, "the most that is fetched from an address, such as 8GiB", "SIZE"),
    Option("cache", None, _folder, "keep what was fetched in this folder (default: the user's cache)", "FOLDER"),
    Option(
        "cache_limit", 32 * 1024**3, _size, "the most that is kept there; what was used least recently leaves", "SIZE"
    ),
    Option("idle_s", None, _time, "unload it after so long without a request, such as 10m", "TIME"),
    Option(
        "budget",
        None,
        _budget,
        "memory for all loaded models of the session, such as 2GB, or none; those least recently used leave first",
        "SIZE",
    ),
    Option("capture", True, _switch, "keep none of the requests and answers for the traffic to be looked at", None),
    Option("mask", None, _names, "fields whose values are kept and shown nowhere in the traffic: age,name", "FIELDS"),
)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one endpoint, read and checked."""

    name: str | None = None
    path: str | None = None
    port: int | None = None
    host: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    token: bool = True
    threads: int = 1
    queue: int = 1024
    batch: str = "auto"
    mode: str = "auto"
    max_requests: int | None = None
    max_rows: int | None = None
    deadline_s: float = 60.0
    result_ttl_s: float = 600.0
    body_limit: int = 64 * 1024**2
    columns: list[dict[str, Any]] | None = None
    row: Any = None
    container: str | None = None
    dtype: str | None = None
    loop: str = "own"
    eager: bool = False
    trust: bool | None = None
    model_class: Any = None
    load_deadline_s: float = 600.0
    artifact_limit: int = 8 * 1024**3
    cache: str | None = None
    cache_limit: int = 32 * 1024**3
    idle_s: float | None = None
    budget: int | None = None
    capture: bool = True
    mask: tuple[str, ...] | None = None

    @property
    def wanted_name(self) -> str | None:
        """The name that was given, in either form."""
        return self.name or self.path

    @property
    def sharing(self) -> str:
        """Whether calls share runs of the model: on, off or auto, whichever option said it."""
        return {"auto": self.batch, "batch": "on"}.get(self.mode, "off")

    @property
    def places(self) -> int:
        """How many calls may wait for the model."""
        return 0 if self.mode == "direct" else self.queue


assert [option.name for option in OPTIONS] == [field.name for field in fields(Options)]
assert Options() == Options(**{option.name: option.default for option in OPTIONS})

_BY_NAME = {option.name: option for option in OPTIONS}


def option_names() -> list[str]:
    return list(_BY_NAME)


def options_from(given: Mapping[str, Any], shared: Mapping[str, Any] | None = None) -> Options:
    """Read what was given by name; `shared` are the defaults of all endpoints, of the same form.

    Raises `OptionError` that names the option, what is allowed, or the nearest name.
    """
    for name in given:
        if name not in _BY_NAME:
            raise OptionError(f"There is no option {name!r}.{nearest(name, list(_BY_NAME))}", _known())
    typed = {name: read_option(name, value) for name, value in given.items() if value is not None}
    default = {name: read_option(name, value) for name, value in (shared or {}).items() if value is not None}
    for name in _clashing(typed, default):
        del default[name]
    options = Options(**{**default, **typed})
    if options.columns is not None and options.row is not None:
        raise OptionError("--columns and --row say both what the columns are.", "Leave one of them away.")
    if options.name is not None and options.path not in (None, options.name):
        raise OptionError("--name and --path are two names for one endpoint.", "Give one of them.")
    return options


_CLASHES: tuple[tuple[str, str, Callable[[Any], bool], str], ...] = (
    ("direct", "batch", "on".__eq__, "a direct call shares no run"),
    ("direct", "queue", lambda _: True, "no direct call waits"),
    ("queue", "batch", "on".__eq__, "calls in a queue share no run"),
    ("queue", "threads", lambda threads: bool(threads > 1), "calls in a queue run one after another"),
    ("batch", "batch", "off".__eq__, "they say the opposite of each other"),
)
"""Mode, the option that it excludes, with which values, and why."""


def _clashing(typed: Mapping[str, Any], default: Mapping[str, Any]) -> list[str]:
    """The defaults that give way to what was typed. Raises `OptionError` where nothing tells which should."""
    merged, yielding = {**default, **typed}, []
    for mode, name, excludes, why in _CLASHES:
        if merged.get("mode") != mode or name not in merged or not excludes(merged[name]):
            continue
        if ("mode" in typed) == (name in typed):
            problem = f"--mode {mode} and --{name} {merged[name]} exclude each other: {why}."
            raise OptionError(problem, "Leave one of them away.")
        yielding.append(name if "mode" in typed else "mode")
    return list(dict.fromkeys(yielding))


def environment_options(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The options that the environment sets for all endpoints, as they stand there."""
    found = {option.name: environment.get(option.variable) for option in OPTIONS if option.is_shared}
    return {name: value for name, value in found.items() if value}


def read_option(name: str, value: Any) -> Any:
    """The value of one option. Raises `OptionError`."""
    option = _BY_NAME[name]
    try:
        return option.read(value)
    except ValueError as error:
        raise OptionError(f"{option.label} cannot be {value!r}.", f"Allowed: {error}.") from None


def check_name(name: str) -> str:
    """The name, if an endpoint can have it. Raises `OptionError`."""
    return str(read_option("name", name))


def _known() -> str:
    return f"There are {', '.join(sorted(_BY_NAME))}."
