"""The magics, in a real shell."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import joblib
import pytest
from IPython.core.error import UsageError

from nbserve.errors import ModelError, OptionError
from nbserve.notebook.lines import NBSERVE, SERVE, UNSERVE
from nbserve.options import OPTIONS
from tests.bad_lines import BAD_LINES, SETTING, BadLine
from tests.models import logistic_on_frame

MODEL = """
class Constant:
    def __init__(self, value):
        self.value = value
    def predict(self, X):
        return [self.value for _ in X]

model = Constant(1)
"""


def predict(endpoint: Any, X: Any) -> Any:
    headers = {"content-type": "application/json"}
    if endpoint.token is not None:
        headers["authorization"] = f"Bearer {endpoint.token}"
    request = Request(f"{endpoint.url}predict/", json.dumps({"X": X}).encode(), headers)
    with urlopen(request, timeout=30) as answer:
        return json.load(answer)["predict_result"]


def served(shell: Any) -> dict[str, Any]:
    shell.run("import nbserve; everything = {each.name: each for each in nbserve.endpoints()}").check()
    return dict(shell.variables["everything"])


# --- %serve


def test_a_served_model_answers_over_http(shell: Any) -> None:
    endpoint = shell.run(f"{MODEL}\n%serve model").check().value
    assert (endpoint.name, endpoint.state) == ("model", "loaded")
    assert endpoint.url.startswith("http://127.0.0.1:")
    assert endpoint.url.endswith("/model/")
    assert predict(endpoint, [[1], [2]]) == [1, 1]


def test_where_there_are_no_cards_a_line_is_printed_once(shell: Any) -> None:
    cell = shell.run(f"{MODEL}\n%serve model").check()
    assert cell.stdout.count("model · loaded · http://127.0.0.1:") == 1
    assert cell.stdout.count("\n") == 1
    assert cell.stderr == ""


def test_a_model_may_be_an_expression(shell: Any) -> None:
    shell.run(f"{MODEL}\nmodels = {{'a b': [model]}}").check()
    endpoint = shell.run("%serve models['a b'][0] --name picked").check().value
    assert (endpoint.name, predict(endpoint, [[1]])) == ("picked", [1])
    assert predict(shell.run("%serve Constant(3 - 1) --name two").check().value, [[1]]) == [2]


def test_the_options_reach_the_endpoint(shell: Any) -> None:
    shell.run(MODEL)
    cell = shell.run("%serve model --name 'm' --no-token --threads 2 --queue 7 --deadline 500ms --body-limit 1kB")
    assert cell.check().value.token is None
    options = shell.ipython.nbserve_session.registry["m"].options
    assert (options.threads, options.queue, options.deadline_s, options.body_limit) == (2, 7, 0.5, 1000)
    assert predict(cell.value, [[1]]) == [1]


def test_braces_and_dollars_are_left_alone(shell: Any) -> None:
    shell.run(f"{MODEL}\nname = 'surprise'")
    assert "name cannot be '{name}'" in shell.run("%serve model --name {name}").stderr
    assert "name cannot be '$name'" in shell.run("%serve model --name $name").stderr


def test_a_variable_of_a_function_can_be_served_from_it(shell: Any) -> None:
    code = "def f():\n    inner = Constant(5)\n    return get_ipython().run_line_magic('serve', 'inner --name inner')"
    endpoint = shell.run(f"{MODEL}\n{code}\nep = f()").check() and shell.variables["ep"]
    assert predict(endpoint, [[1]]) == [5]


def test_serving_again_swaps_the_model_and_nothing_else(shell: Any) -> None:
    first = shell.run(f"{MODEL}\n%serve model").check().value
    before = (first.url, first.token, first.metadata()["version"])
    second = shell.run("model = Constant(2)\n%serve model").check().value
    assert (second.url, second.token) == before[:2]
    assert second.metadata()["version"] == before[2] + 1
    assert predict(first, [[1]]) == [2]


def test_columns_are_those_in_a_variable(shell: Any) -> None:
    shell.run("columns = {'age': int}\nserved_rows = lambda rows: [row['age'] for row in rows]").check()
    endpoint = shell.run("%serve served_rows --name rows --columns columns").check().value
    assert predict(endpoint, [{"age": 3}]) == [3]
    refused = shell.run("%serve served_rows --name rows --columns colums")
    assert "columns cannot be 'colums'. Allowed: a variable" in refused.stderr


def test_alone_it_says_what_is_served(shell: Any) -> None:
    assert shell.run("%serve").check().stdout == "Nothing is served. Type %serve MODEL.\n"
    shell.run(f"{MODEL}\n%serve model\n%serve model --name other").check()
    lines = shell.run("%serve").check().stdout.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["model", "other"]


def test_the_port_can_be_chosen_and_asked_for_again(shell: Any) -> None:
    endpoint = shell.run(f"{MODEL}\n%serve model").check().value
    port = endpoint.url.split(":")[2].partition("/")[0]
    assert shell.run(f"%serve model --port {port}").check().value.url == endpoint.url
    assert shell.run("%serve model --port 0").check().value.url == endpoint.url
    shell.run("%unserve --all").check()
    assert f":{port}/" in shell.run(f"%serve model --port {port}").check().value.url


# --- %%serve


def test_a_cell_serves_the_function_that_it_defines_last(shell: Any) -> None:
    code = "%%serve both\nimport math\ndef helper(X): return X\ndef double(X):\n    return [x * 2 for x in X]\ny = 3"
    endpoint = shell.run(code).check().value
    assert (endpoint.name, predict(endpoint, [2])) == ("both", [4])
    assert shell.variables["double"]([1]) == [2]
    assert shell.variables["y"] == 3


def test_a_cell_without_a_name_takes_the_functions(shell: Any) -> None:
    assert shell.run("%%serve\ndef triple(X):\n    return [x * 3 for x in X]").check().value.name == "triple"
    assert shell.run("%%serve --name a\ndef triple(X):\n    return [x * 3 for x in X]").check().value.name == "a"


def test_a_cell_serves_an_instance_of_the_class_that_it_defines(shell: Any) -> None:
    code = "%%serve c\nclass Four:\n    def predict(self, X):\n        return [4 for _ in X]"
    endpoint = shell.run(code).check().value
    assert predict(endpoint, [[1]]) == [4]


def test_a_cell_may_use_magics_and_an_async_function(shell: Any) -> None:
    code = "%%serve later\nhere = %pwd\nasync def later(X):\n    return [here for _ in X]"
    endpoint = shell.run(code).check().value
    assert predict(endpoint, [1]) == [shell.variables["here"]]


def test_an_error_in_the_cell_keeps_its_traceback(shell: Any) -> None:
    cell = shell.run("%%serve f\nx = 1\nraise KeyError('mine')\ndef f(X): return X")
    assert isinstance(cell.error, KeyError)
    assert "raise KeyError('mine')" in cell.stdout + cell.stderr
    assert isinstance(shell.run("%%serve f\ndef f(X) return X").error, SyntaxError)
    assert served(shell) == {}


# --- %unserve and %nbserve


def test_what_is_stopped_is_gone_and_the_rest_is_not(shell: Any) -> None:
    shell.run(f"{MODEL}\na = %serve model --name a\nb = %serve model --name b").check()
    shell.run("%unserve a").check()
    assert list(served(shell)) == ["b"]
    assert shell.variables["a"].state == "stopped"
    assert predict(shell.variables["b"], [[1]]) == [1]


def test_stopping_all_stops_the_server_too(shell: Any) -> None:
    shell.run(f"{MODEL}\n%serve model").check()
    shell.run("%unserve --all").check()
    assert served(shell) == {}
    assert not [each for each in threading.enumerate() if each.name == "nbserve:server"]
    shell.run("%unserve --all").check()


def test_the_verbs_do_what_they_say(shell: Any) -> None:
    endpoint = shell.run(f"{MODEL}\n%serve model").check().value
    assert shell.run("%nbserve unload model").check().stdout == (
        "model: Unloaded; it is still held as model, so no memory came back.\n"
    )
    assert endpoint.state == "unloaded"
    assert shell.run("%nbserve load").check().stdout.startswith("model · loaded · ")
    assert shell.run("%nbserve metadata").check().value == endpoint.metadata()
    assert shell.run("%nbserve inspect model").check().value == endpoint.inspect()
    assert shell.run("%nbserve status").check().stdout.startswith("model · loaded · ")
    assert shell.run("%nbserve log").check().stdout == "model has printed nothing.\n"


def test_the_settings_are_shown_with_who_has_set_them(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBSERVE_IDLE", "10m")
    shell.variables["model"] = lambda X: X
    shell.run("%config Nbserve.queue = 7").check()
    shell.run("%serve model --threads 2").check()
    rows = [line.split() for line in shell.run("%nbserve config").check().stdout.splitlines()]
    for row in (
        ["threads", "2", "1", "given"],
        ["queue", "7", "1024", "%config"],
        ["idle_s", "600.0", "–", "environment"],
    ):
        assert row in rows
    shell.run("import nbserve; nbserve.get('model').options.threads = 3").check()
    assert ["threads", "3"] in [
        line.split()[:2] for line in shell.run("%nbserve config model").check().stdout.splitlines()
    ]
    assert shell.run("%nbserve refresh model").check().stdout.startswith("model · loaded")


def test_a_file_of_settings_is_served_as_what_it_describes(shell: Any, tmp_path: Path) -> None:
    joblib.dump(logistic_on_frame(), tmp_path / "iris.joblib")
    (tmp_path / "one.yaml").write_text("model: iris.joblib\ntrust: true\ndeadline: 5s\n")
    endpoint = shell.run(f"%serve {tmp_path}/one.yaml --threads 2").check().value
    assert (endpoint.name, endpoint.options.deadline_s, endpoint.options.threads) == ("iris", 5.0, 2)
    shown = shell.run("%nbserve config iris").check().stdout
    assert [line.split()[3] for line in shown.splitlines() if line.startswith("deadline_s")] == ["one.yaml"]
    both = "trust = true\n[endpoints.a]\nmodel = 'iris.joblib'\neager = true\n[endpoints.b]\nmodel = 'iris.joblib'\n"
    (tmp_path / "two.toml").write_text(both)
    assert shell.run(f"%serve {tmp_path}/two.toml").check().stdout.count(" · ") >= 3
    assert shell.run("import nbserve; [each.state for each in nbserve.endpoints()]").value == [
        *("unloaded", "loaded", "unloaded"),
    ]
    assert shell.run(f"%serve {tmp_path}/two.toml --name b --threads 3").check().value.options.threads == 3
    shell.run("%unserve --all").check()
    (tmp_path / "two.toml").write_text(both.replace("[endpoints.b]\nmodel = 'iris", "[endpoints.b]\nmodel = 'missing"))
    for line in (f"%serve {tmp_path}/two.toml", f"%serve {tmp_path}/two.toml --name c"):
        assert isinstance(shell.run(line).error, UsageError)
    assert shell.run("nbserve.endpoints()").value == []
    with pytest.raises(OptionError, match="holds 2 endpoints"):
        shell.variables["nbserve"].serve(tmp_path / "two.toml")


def test_status_of_nothing_is_a_sentence(shell: Any) -> None:
    assert shell.run("%nbserve status").check().stdout == "Nothing is served. Type %serve MODEL.\n"


@pytest.mark.parametrize("line", ["%nbserve", "%nbserve help"], ids=["alone", "help"])
def test_the_verbs_are_listed(shell: Any, line: str) -> None:
    listed = shell.run(line).check().stdout
    for verb in ("load", "unload", "inspect", "metadata", "status", "log"):
        assert f"%nbserve {verb} " in listed


def test_what_the_model_prints_is_in_its_log_and_not_in_the_cell(shell: Any) -> None:
    code = "def chatty(X):\n    print('here I am')\n    return X"
    shell.run(f"import nbserve\n{code}\nep = nbserve.serve(chatty)").check()
    cell = shell.run("print('mine'); answer = ep.predict([1])").check()
    assert cell.stdout == "mine\n"
    assert shell.run("%nbserve log chatty").check().stdout.endswith(" here I am\n")


# --- help


@pytest.mark.parametrize("given", ["--help", "-h", "model --help --xyzzy", "--help --name a"])
def test_help_is_printed_and_nothing_else_is_done(shell: Any, given: str) -> None:
    cell = shell.run(f"%serve {given}").check()
    assert cell.stdout.strip() == SERVE.help().strip()
    assert served(shell) == {}


def test_help_names_every_option() -> None:
    text = SERVE.help()
    assert all(option.flag in text for option in OPTIONS)


@pytest.mark.parametrize(("magic", "line"), [("serve", SERVE), ("unserve", UNSERVE), ("nbserve", NBSERVE)])
def test_a_question_mark_and_help_tell_the_same(shell: Any, magic: str, line: Any) -> None:
    assert shell.ipython.object_inspect(f"%{magic}")["docstring"].strip() == line.help().strip()
    assert shell.run(f"%{magic} --help").check().stdout.strip() == line.help().strip()


# --- mistakes


@pytest.fixture
def setting(shell: Any) -> Any:
    shell.run(SETTING).check()
    return shell


def test_every_mistake_is_answered_in_one_line(setting: Any) -> None:
    before = {name: each.metadata()["version"] for name, each in served(setting).items()}
    wrong = [f"{bad.id}: {fault}" for bad in BAD_LINES if (fault := _fault(setting, bad))]
    assert wrong == []
    assert {name: each.metadata()["version"] for name, each in served(setting).items()} == before


def _fault(shell: Any, bad: BadLine) -> str:
    """What is wrong with the answer to a mistake; nothing if nothing is."""
    cell = shell.run(bad.line)
    said = cell.stderr
    if type(cell.error).__name__ != "UsageError":
        return f"{cell.error!r}"
    if cell.stdout or said.count("\n") != 1 or not said.startswith("UsageError: "):
        return f"stdout {cell.stdout!r}, stderr {said!r}"
    missing = [words for words in bad.says if words not in said]
    return f"{missing} not in {said!r}" if missing else ""


def test_no_two_mistakes_are_the_same() -> None:
    assert len({bad.id for bad in BAD_LINES}) == len({bad.line for bad in BAD_LINES}) == len(BAD_LINES)


def test_what_ipython_itself_put_into_the_notebook_is_not_suggested(shell: Any) -> None:
    assert "Did you mean" not in shell.run("%serve oper").stderr
    assert "Did you mean" not in shell.run("%serve exi").stderr


def test_a_models_own_error_keeps_its_traceback(shell: Any) -> None:
    shell.run("import nbserve\ndef bad(X):\n    raise KeyError('deep inside')\nep = nbserve.serve(bad)").check()
    cell = shell.run("ep.predict([1])")
    assert isinstance(cell.error, ModelError)
    assert isinstance(cell.error.__cause__, KeyError)
    assert "raise KeyError('deep inside')" in cell.stdout + cell.stderr


# --- loading and unloading the extension


def _brought(shell: Any) -> dict[str, Any]:
    magics = shell.ipython.magics_manager
    return {
        "magics": sorted(name for kind in magics.magics.values() for name in kind if "serve" in name),
        "registry": [name for name in magics.registry if "Serve" in name],
        "matchers": [each.__name__ for each in shell.ipython.Completer.custom_matchers],
        "hooks": [hook for event in shell.ipython.events.callbacks.values() for hook in event],
        "session": hasattr(shell.ipython, "nbserve_session"),
        "threads": sorted(each.name for each in threading.enumerate() if each.name.startswith("nbserve")),
    }


def test_unloading_the_extension_removes_everything_that_it_brought(
    bare: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before, streams = _brought(bare), (sys.stdout, sys.stderr)
    bare.run("%load_ext nbserve").check()
    bare.run(f"{MODEL}\nep = %serve model\nep.unload()").check()
    bare.run("del model").check()
    bare.run("async def later(X):\n    return X\nimport nbserve; nbserve.serve(later).predict([1])").check()
    assert list(tmp_path.iterdir()) != []
    assert _brought(bare) != before
    url = bare.variables["ep"].url
    bare.run("%unload_ext nbserve").check()
    assert _brought(bare) == before
    assert (sys.stdout, sys.stderr) == streams
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="refused"):
        urlopen(url, timeout=5)
    assert "not found" in bare.run("%serve model").stderr
    assert bare.variables["ep"].state == "stopped"


def test_the_extension_can_be_loaded_twice_and_reloaded(bare: Any) -> None:
    bare.run("%load_ext nbserve").check()
    once = _brought(bare)
    assert "already loaded" in bare.run("%load_ext nbserve").check().stdout
    assert _brought(bare) == once
    bare.run(f"{MODEL}\n%serve model").check()
    bare.run("%reload_ext nbserve").check()
    assert _brought(bare) == once
    assert bare.run("%serve model").check().value.state == "loaded"
