"""The user's variables, the shell's memory, and whatever else refers to a model."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, MutableMapping
from typing import Any

from .links import attributes_of, pairs
from .memories import Memory, copies_of_outputs, is_output, numbered_outputs, shared_variables
from .referrers import Place, Referrers
from .remembered import (
    empty,
    forget_debugged,
    frames_behind,
    has_variable,
    remembered_errors,
    remembered_frames,
    replace_in,
)
from .running import running_frames, variables_of

__all__ = ["Notebook"]


class Notebook:
    """What the user's variables and the shell remember. Thread-safe.

    Objects are compared by identity, and no code of theirs is run: they may be of any class.
    """

    def __init__(self, namespace: MutableMapping[str, Any], shell: Any = None) -> None:
        self._variables = Memory(namespace)
        self._shell = shell

    def variables(self, thing: object) -> tuple[str, ...]:
        """The names under which the user has this very object, those with an underscore last."""
        names = (name for name in self._variables.find(thing) if isinstance(name, str) and not is_output(name))
        return tuple(sorted(names, key=lambda name: name.startswith("_")))

    def holders(self, model: object) -> tuple[str, ...]:
        """The user's variables and the shell's outputs that are this very object: ``model``, ``Out[3]``, ``_``."""
        return (*self.variables(model), *self._outputs(model))

    def all_holders(self, model: object, ours: Collection[object] = ()) -> tuple[str, ...]:
        """Everybody who is found to hold this very object, except `ours`: ``models[0]``, ``search.estimator``.

        What the collector is not told is not found: the elements of a NumPy array, a variable of C code.
        """
        named = [*self.holders(model), *self._copies(model)]
        places, more = self._referrers(model, ours).find()
        named += [*(place.text for place in places), *_running(model)]
        return (*dict.fromkeys(named), *([f"and {more} more"] if more else []))

    def forget(self, model: object, stand_in: object) -> tuple[str, ...]:
        """Put `stand_in` wherever the user or the shell remembers this very object; answers where that was.

        The variables of remembered errors' functions are let go of where they hold it; the errors can still be read.
        What the user has put it into, and the variables of code that runs, are left alone.
        """
        let_go = [*self.holders(model), *self._copies(model)]
        for memory in self._memories():
            memory.replace(model, stand_in)
        for code, error in remembered_errors(self._shell):
            let_go += [f"{code}.{part}" for part in replace_in(error, model, stand_in)]
        forget_debugged(self._shell)
        for text, frame in remembered_frames(self._shell):
            if has_variable(frame, model) and empty(frame):
                let_go.append(text)
        for place in self._referrers(model, ()).find()[0]:
            if place.frame is not None and empty(place.frame):  # it holds what holds the model
                let_go.append(place.text)
        return tuple(dict.fromkeys(let_go))

    def put_back(self, stand_in: object, model: object) -> None:
        """Make the user's variables that are `stand_in` the model again; the shell's outputs stay."""
        for memory in (self._variables, *shared_variables(self._shell)):
            for name in memory.find(stand_in):
                if not is_output(name):
                    memory.mapping[name] = model

    def _outputs(self, model: object) -> tuple[str, ...]:
        """``Out[3]``, which has `_3` with it and maybe `_`; else whichever of those is left."""
        numbers = numbered_outputs(self._variables.mapping).find(model)
        names = [name for name in self._variables.find(model) if is_output(name)]
        return tuple(f"Out[{number}]" for number in numbers) or tuple(names)

    def _copies(self, model: object) -> list[str]:
        """Where it is besides, if `holders` does not tell."""
        found = [f"{name}{each.of}" for each in shared_variables(self._shell) for name in each.find(model)]
        if not self._outputs(model) and any(memory.find(model) for memory in copies_of_outputs(self._shell)):
            found.append("IPython's memory of outputs")
        return found

    def _memories(self) -> Iterator[Memory]:
        yield self._variables
        yield numbered_outputs(self._variables.mapping)
        yield from shared_variables(self._shell)
        yield from copies_of_outputs(self._shell)

    def _referrers(self, model: object, ours: Collection[object]) -> Referrers:
        ignored = {id(each) for each in ours} | {id(attributes_of(each)) for each in ours}
        ignored |= {id(each) for memory in self._memories() for each in (memory.mapping, memory.keeper)}
        return Referrers(model, self._named(), ignored)

    def _named(self) -> Iterator[tuple[object, Place]]:
        """What can be told by a name; of two names for the same the first is taken."""
        variables = [(name, value) for name, value in pairs(self._variables.mapping) if not is_output(name)]
        yield from ((value, Place(name)) for name, value in variables)
        outputs = pairs(numbered_outputs(self._variables.mapping).mapping)
        yield from ((value, Place(f"Out[{number}]")) for number, value in outputs)
        if self._shell is not None:
            yield self._shell, Place("get_ipython()")
        yield from ((error, Place(code)) for code, error in remembered_errors(self._shell))
        for text, frame in remembered_frames(self._shell):
            yield frame, Place(text, is_code=False, frame=frame)
        for name, value in variables:
            if issubclass(type(value), BaseException):
                for frame in frames_behind(value):
                    yield frame, Place(f"{name}.__traceback__ (in {frame.f_code.co_name})", is_code=False)
        for frame in running_frames():
            for name, value in variables_of(frame):
                yield value, Place(f"{name} of {frame.f_code.co_name}, which is running", is_code=False)
        yield from ((module, Place(name)) for name, module in pairs(sys.modules))


def _running(model: object) -> list[str]:
    frames = [frame for frame in running_frames() if any(value is model for _, value in variables_of(frame))]
    return [f"a running frame of {frame.f_code.co_name}" for frame in frames]
