"""The set of HTTP methods that a model is served with, as users write it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ...core.custom import ModelComponent, component_of
from ...errors import ModelRefused
from .annotations import names_around

__all__ = ["Declaration", "Meta", "ModelResource", "OwnRoute", "own_routes", "resource_method"]

F = TypeVar("F")

_MARK = "__nbserve_routes__"


@dataclass(frozen=True, slots=True)
class Meta:
    """What a resource is called."""

    name: str
    verbose_name: str


class ModelResource:
    """What an endpoint answers beside, and instead of, what every endpoint does: subclass it, and serve the class.

    A method marked with `resource_method` is a route of its own. One that is called like a built-in route or like a
    method of the model (``predict``, ``inspect``, ``metadata``, …) takes its place, marked or not. `component` brings
    the model, or else `model_path` names the file that it is in.
    """

    name: str | None = None
    verbose_name: str | None = None
    component: ModelComponent | None = None
    model_path: str | Path | None = None
    info: Mapping[str, Any] = {}

    _nbserve_names: ClassVar[Mapping[str, Any]] = {}

    def __init__(
        self,
        *,
        name: str | None = None,
        verbose_name: str | None = None,
        component: ModelComponent | None = None,
        model_path: str | Path | None = None,
        info: Mapping[str, Any] | None = None,
    ) -> None:
        given = {"name": name, "verbose_name": verbose_name, "component": component, "model_path": model_path}
        for attribute, value in {**given, "info": info}.items():
            if value is not None:
                setattr(self, attribute, value)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._nbserve_names = {**cls._nbserve_names, **names_around(cls)}

    @classmethod
    def nbserve_names(cls) -> dict[str, Any]:
        """What the annotations of its methods may name beside what their modules hold."""
        in_class = {name: value for kind in reversed(cls.__mro__) for name, value in vars(kind).items()}
        return {**cls._nbserve_names, **in_class}

    @property
    def model(self) -> Any:
        """What the component resolves to, loaded if need be. Raises `LoadError`."""
        if self.component is None:
            raise ModelRefused(f"{type(self).__name__} has no component.", "Serve it: its model_path is read then.")
        with component_of(self.component).lease() as model:
            return model

    @property
    def _meta(self) -> Meta:
        name = self.name or type(self).__name__
        return Meta(name, self.verbose_name or name)


@dataclass(frozen=True, slots=True)
class Declaration:
    """What `resource_method` was told."""

    path: str
    verbs: tuple[str, ...]
    name: str | None
    tags: tuple[str, ...]
    summary: str | None
    description: str | None
    status_code: int | None
    deprecated: bool
    include_in_schema: bool


def resource_method(
    path: str,
    *,
    methods: Iterable[str] = ("GET",),
    name: str | None = None,
    tags: Iterable[str] | None = None,
    summary: str | None = None,
    description: str | None = None,
    status_code: int | None = None,
    deprecated: bool = False,
    include_in_schema: bool = True,
) -> Callable[[F], F]:
    """Make a method of a `ModelResource` a route of its endpoint: ``@resource_method("/unload/", methods=["GET"])``.

    What is not given is read from the method's docstring, which may be YAML with ``tags``, ``summary``,
    ``description`` and ``responses``.
    """
    if not isinstance(path, str):
        raise ModelRefused("resource_method needs a path.", 'Write @resource_method("/score/", methods=["POST"]).')
    verbs = (methods,) if isinstance(methods, str) else tuple(methods)
    declaration = Declaration(
        path,
        tuple(str(verb).upper() for verb in verbs),
        name,
        tuple(tags or ()),
        summary,
        description,
        status_code,
        deprecated,
        include_in_schema,
    )

    def mark(function: F) -> F:
        setattr(function, _MARK, (*getattr(function, _MARK, ()), declaration))
        return function

    return mark


BUILT_IN_VERBS = {"predict": "POST", "inspect": "GET", "metadata": "GET", "load": "POST", "unload": "POST"}


@dataclass(frozen=True, slots=True)
class OwnRoute:
    """One method of a resource as it is served: at `path` below the endpoint.

    `declaration` is None for a method that takes the place of another of its name. With `is_guess` it does so only if
    the model has a method of that name, which may be unknown until it is loaded.
    """

    attribute: str
    path: str
    verbs: tuple[str, ...]
    declaration: Declaration | None = None
    is_guess: bool = False

    @property
    def place(self) -> str:
        """The path without its slashes."""
        return self.path.strip("/")


def own_routes(kind: type[ModelResource]) -> list[OwnRoute]:
    """The routes that a user's class declares, and the methods by which it overrides others, unchecked."""
    found: list[OwnRoute] = []
    for attribute, definitions in _own_attributes(kind).items():
        if not _is_method(definitions[0]):
            continue
        declarations = next((marks for each in definitions if (marks := _marks(each))), ())
        found += (OwnRoute(attribute, each.path, each.verbs, each) for each in declarations)
        if not declarations and not attribute.startswith("_"):
            verb = BUILT_IN_VERBS.get(attribute)
            found.append(OwnRoute(attribute, f"/{attribute}/", (verb or "POST",), is_guess=verb is None))
    return found


def _own_attributes(kind: type[ModelResource]) -> dict[str, list[object]]:
    """What the user's classes define, by name: of each all definitions, the one that counts first."""
    found: dict[str, list[object]] = {}
    for each in kind.__mro__:
        if each not in ModelResource.__mro__:
            for name, value in vars(each).items():
                found.setdefault(name, []).append(value)
    return found


def _is_method(definition: object) -> bool:
    return inspect.isroutine(definition) or isinstance(definition, (staticmethod, classmethod))


def _marks(definition: object) -> tuple[Declaration, ...]:
    """What a method was marked with; one that overrides a marked one keeps its routes."""
    marks: tuple[Declaration, ...] = getattr(definition, _MARK, ()) or getattr(
        getattr(definition, "__func__", None), _MARK, ()
    )
    return marks
