"""What makes the model for weights: found by its name, in the notebook first; given what the file tells."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from nbserve.core.loaders.classes import made, maker_of
from nbserve.errors import LoadError


class Net:
    def __init__(self, width: int, depth: int = 1) -> None:
        self.size = (width, depth)


class Filled:
    """Stands for a module that is a model already."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def __call__(self) -> None: ...


def test_a_name_is_looked_up_in_the_notebook_and_then_in_modules() -> None:
    notebook = {"Net": Net, "nets": Net}
    assert maker_of("Net", notebook) is Net
    assert maker_of("collections.OrderedDict", notebook).__name__ == "OrderedDict"
    assert maker_of("collections:OrderedDict").__name__ == "OrderedDict"
    assert maker_of("nets.__init__", notebook) is Net.__init__
    assert maker_of(Net) is Net
    assert maker_of(None, notebook) is None


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("Nte", r"no class 'Nte'\. Did you mean 'Net'"),
        ("collections.OrderedDcit", "no class 'collections.OrderedDcit'. Did you mean 'OrderedDict'"),
        ("no_such_module.Net", "is in no module that can be imported"),
        (Filled(), "Filled is an object, and not what makes one.*lambda: Net"),
        ("filled", "filled is an object"),
    ],
)
def test_what_makes_no_model_is_refused(given: Any, sentence: str) -> None:
    with pytest.raises(LoadError, match=sentence):
        maker_of(given, {"Net": Net, "filled": Filled()})


def test_it_is_given_those_settings_of_the_file_that_it_takes() -> None:
    settings = {"width": 4, "depth": 2, "epochs": 10}
    assert made(Net, settings, "w.pt").size == (4, 2)
    assert made(functools.partial(Net, 5), {}, "w.pt").size == (5, 1)
    assert made(lambda: Net(6), settings, "w.pt").size == (6, 1)


def test_what_it_needs_and_nobody_tells_is_named() -> None:
    with pytest.raises(LoadError, match=r"Net needs width, which w\.pt does not tell\. .*lambda: Net\(…\)"):
        made(Net, {"depth": 2}, "w.pt")


def test_what_goes_wrong_while_it_is_made_is_told() -> None:
    with pytest.raises(LoadError, match=r"broken could not be made: ZeroDivisionError"):
        made(broken, {}, "w.pt")


def broken() -> Any:
    return 1 / 0
