"""What stands where a model was that the notebook has let go of."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from nbserve.errors import LoadError
from nbserve.notebook.forgotten import Forgotten
from nbserve.notebook.holders import Notebook
from tests.notebook.conftest import Shell


class Model:
    def predict(self, X: Any) -> Any:
        return X


def forgotten(
    namespace: dict[str, Any],
    load: Callable[[], Any] = Model,
    *,
    type_name: str = "Model",
    size_bytes: int = 204_000_000,
) -> Forgotten:
    """The handle that is left of `namespace["model"]`."""
    book = Notebook(namespace)
    made = Forgotten("iris", type_name, size_bytes, load, book)
    book.forget(namespace["model"], made)
    return made


def test_it_says_what_it_is_and_the_users_own_way_back() -> None:
    model = Model()
    namespace: dict[str, Any] = {"clf": model, "model": model}
    handle = forgotten(namespace)
    assert repr(handle) == "<Model 'iris', unloaded (204.0 MB): clf.restore() brings it back>"
    namespace["clf"] = 3
    assert repr(handle) == "<Model 'iris', unloaded (204.0 MB): model.restore() brings it back>"
    namespace.clear()
    assert repr(handle) == "<Model 'iris', unloaded (204.0 MB): its restore() brings it back>"


def test_a_weight_that_is_not_known_is_not_told() -> None:
    handle = forgotten({"model": Model()}, size_bytes=0)
    assert repr(handle) == "<Model 'iris', unloaded: model.restore() brings it back>"


def test_restoring_puts_the_model_back_where_the_handle_still_stands() -> None:
    model, again = Model(), Model()
    namespace: dict[str, Any] = {"model": model, "_best": model, "third": model, "_": model, "Out": {1: model}}
    handle = forgotten(namespace, lambda: again)
    del model
    namespace["third"] = "other"
    assert handle.restore() is again
    assert [namespace[name] for name in ("model", "_best", "third")] == [again, again, "other"]
    assert namespace["_"] is namespace["Out"][1] is handle
    assert handle.restore() is again


def test_a_restore_that_fails_leaves_the_handle() -> None:
    def fail() -> Any:
        raise LoadError("The file is gone.", "Serve it again.")

    namespace: dict[str, Any] = {"model": Model()}
    handle = forgotten(namespace, fail)
    with pytest.raises(LoadError, match="The file is gone"):
        handle.restore()
    assert namespace["model"] is handle


def test_it_never_holds_the_model() -> None:
    namespace: dict[str, Any] = {"model": Model()}
    alive = weakref.ref(namespace["model"])
    handle = forgotten(namespace, Model)
    gc.collect()
    assert alive() is None
    restored = weakref.ref(handle.restore())
    assert namespace.pop("model") is restored()
    gc.collect()
    assert restored() is None


@pytest.mark.parametrize("name", ["predict", "n_features_in_", "__array__", "_repr_latex_", "_name_of_it"])
def test_whatever_else_is_asked_of_it_is_answered_with_a_sentence(name: str) -> None:
    handle = forgotten({"model": Model()})
    sentence = rf"Model 'iris', unloaded \(204.0 MB\): it has no {name} until model\.restore\(\) brings it back\."
    with pytest.raises(AttributeError, match=f"^{sentence}$") as raised:
        getattr(handle, name)
    assert raised.value.name == name
    assert not hasattr(handle, name)
    assert dir(handle) == ["restore"]


@pytest.mark.parametrize("name", ["predict", "restore", "_load"])
def test_nothing_can_be_set_on_it(name: str) -> None:
    handle = forgotten({"model": Model()})
    with pytest.raises(AttributeError, match=r"model\.restore\(\) brings it back"):
        setattr(handle, name, 3)


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_it_is_neither_pickled_nor_copied(take: Callable[[Any], Any]) -> None:
    handle = forgotten({"model": Model()})
    with pytest.raises(TypeError, match=r"nothing here to copy or to pickle\. model\.restore\(\) brings it back\.$"):
        take(handle)


def test_what_a_page_shows_is_escaped() -> None:
    handle = forgotten({"model": Model()}, type_name="<b>Model")
    assert "<b>" not in handle._repr_html_()
    assert "&lt;b&gt;Model" in handle._repr_html_()
    assert "<code>model.restore()</code>" in handle._repr_html_()


def test_a_cell_shows_completes_and_restores_it(bare: Shell) -> None:
    bare.run("class Model: pass\nmodel = Model()")
    book = Notebook(bare.variables, bare.ipython)
    handle = Forgotten("model", "Model", 50_000, bare.variables["Model"], book)
    book.forget(bare.variables["model"], handle)
    assert (
        bare.run("model").stdout.strip().endswith("<Model 'model', unloaded (0.1 MB): model.restore() brings it back>")
    )
    assert [each for each in bare.complete("model.") if not each.startswith("model.__")] == ["restore"]
    failed = bare.run("model.predict([1])")
    assert "AttributeError: Model 'model', unloaded (0.1 MB): it has no predict until" in failed.stdout
    bare.run("model = model.restore()").check()
    assert bare.run("type(model) is Model").value is True
