"""Which key of a request stands for which argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import Fault, InputError
from ..schema import Signature
from .faults import Faults, Loc, hint, shown

__all__ = ["ALIASES", "Names"]

ALIASES = ("X", "x", "input", "inputs", "instances", "data_for_predict")
"""What the data argument may be called in a request, beside its own name."""


class Names:
    """The keys that a method's requests may have.

    An argument's own name wins over an alias. A method without a data argument lets the aliases stand for its only
    required parameter.
    """

    def __init__(self, signature: Signature) -> None:
        data = signature.data
        own = [parameter.name for parameter in signature.parameters]
        self.required = [parameter.name for parameter in signature.parameters if parameter.required]
        self.stand_in = self.required[0] if len(self.required) == 1 else None
        if data is not None:
            own.insert(0, data.name)
            self.required.insert(0, data.name)
            self.stand_in = data.name
        self.own = tuple(own)
        self.aliases = self._free_aliases()
        self.is_open = signature.accepts_any_keyword
        self._meaning = {name: name for name in own} | dict.fromkeys(self.aliases, self.stand_in or "")

    def meaning(self, key: str) -> str | None:
        """The argument that the key stands for."""
        return self._meaning.get(key)

    def sort(self, payload: Any, faults: Faults) -> dict[str, tuple[Loc, Any]]:
        """Argument → where it came from and what was sent for it. Raises `InputError` for a body of another form."""
        if not isinstance(payload, Mapping):
            return self._bare(payload)
        given: dict[str, tuple[Loc, Any]] = {}
        for key, value in payload.items():
            name = self._meaning.get(key) or self._unknown(key, faults)
            if name in given:
                first = given[name][0][0]
                faults.add((key,), f"{first!r} and {key!r} are the same argument.", "duplicate", "Send one of them.")
            elif name is not None:
                given[name] = (key,), value
        for name in self.required:
            if name not in given:
                faults.add((name,), f"The argument {name!r} is missing.", "missing", self._remedy())
        return given

    def _free_aliases(self) -> tuple[str, ...]:
        if self.stand_in is None:
            return ()
        taken = {name.lower() for name in self.own if name != self.stand_in}
        return tuple(alias for alias in ALIASES if alias.lower() not in taken and alias != self.stand_in)

    def _bare(self, payload: Any) -> dict[str, tuple[Loc, Any]]:
        if isinstance(payload, list) and self.stand_in is not None and self.required == [self.stand_in]:
            return {self.stand_in: ((), payload)}
        problem = f"The body is {_form(payload)}, not an object with the arguments."
        raise InputError(problem, self._remedy(), faults=[Fault((), problem, "object_expected")])

    def _unknown(self, key: Any, faults: Faults) -> str | None:
        if self.is_open and isinstance(key, str):
            return key
        problem = f"Unknown argument {shown(key)}.{hint(key, self._all())}"
        faults.add((str(key),), problem, "unknown_argument", self._remedy())
        return None

    def _remedy(self) -> str:
        if not self.own:
            return "Send {}: there are no arguments."
        return f'Send {{"{self.own[0]}": …}}.' if len(self.own) == 1 else f"The arguments are {_listed(self.own)}."

    def _all(self) -> list[str]:
        return [*self.own, *self.aliases]


def _form(payload: Any) -> str:
    if isinstance(payload, bool) or payload is None:
        return shown(payload)
    forms = {list: "a list", str: "a string", int: "a number", float: "a number"}
    return forms.get(type(payload), shown(payload))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
