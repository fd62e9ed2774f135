"""The magics in a notebook: what each cell shows, and how it ends."""

from __future__ import annotations

import re

import pytest

from nbserve.notebook.lines import NBSERVE, SERVE, UNSERVE
from nbserve.options import OPTIONS
from tests.bad_lines import BAD_LINES, SETTING, BadLine
from tests.kernel.harness import Kernel

CARD = {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}


def test_a_served_model_shows_its_card_once_and_nothing_else(kernel: Kernel) -> None:
    ran = kernel.run("model = Constant(3)\n%serve model").check()
    (card,) = ran.displays
    assert set(card) == CARD
    assert (ran.stdout, ran.stderr) == ("", "")
    with kernel.caller() as caller:
        assert caller.predict([[1], [2]]) == [3, 3]
        assert caller.host == "127.0.0.1"


def test_what_the_magic_gives_is_kept_without_a_second_card(kernel: Kernel) -> None:
    ran = kernel.run("model = Constant(3)\nep = %serve model").check()
    assert [set(display) for display in ran.displays] == [CARD]
    assert [set(display) for display in kernel.run("ep").check().displays] == [CARD]
    assert kernel.run("ep.predict([[1]])").check().displays == [{"text/plain": "[3]"}]


def test_the_call_in_python_does_the_same(kernel: Kernel) -> None:
    ran = kernel.run("model = Constant(3)\nnbserve.serve(model)").check()
    assert [set(display) for display in ran.displays] == [CARD]
    url = kernel.ask("nbserve.get('model').url")
    kernel.run("model = Constant(4)\nep = nbserve.serve(model)").check()
    with kernel.caller() as caller:
        assert caller.predict([[1]]) == [4]
    assert kernel.ask("[ep.url, ep.metadata()['version']]") == [url, 2]


def test_a_cell_serves_what_it_defines(kernel: Kernel) -> None:
    ran = kernel.run("%%serve double\nasync def double(X):\n    return [x * 2 for x in X]").check()
    assert [set(display) for display in ran.displays] == [CARD]
    with kernel.caller("double") as caller:
        assert caller.predict([1, 2]) == [2, 4]


def test_alone_it_shows_the_dashboard(kernel: Kernel) -> None:
    kernel.run("model = Constant()\n%serve model --name one\n%serve model --name two").check()
    (dashboard,) = kernel.run("%serve").check().displays
    assert dashboard["text/plain"] == "nbserve · 2 endpoints: one (loaded), two (loaded)"


def test_the_verbs_answer_in_their_cells(kernel: Kernel) -> None:
    kernel.run("model = Constant()\n%serve model").check()
    assert "still held as model" in kernel.run("%nbserve unload model").check().stdout
    assert kernel.run("%nbserve load").check().stdout.startswith("model · loaded · ")
    assert kernel.run("%nbserve status").check().stdout.startswith("model · loaded · ")
    assert "'name': 'model'" in kernel.run("%nbserve metadata").check().displays[0]["text/plain"]
    assert "'type': 'Constant'" in kernel.run("%nbserve inspect").check().displays[0]["text/plain"]
    assert kernel.run("%nbserve log").check().stdout == "model has printed nothing.\n"
    kernel.run("%unserve model").check()
    assert kernel.run("%nbserve status").check().stdout == "Nothing is served. Type %serve MODEL.\n"


# --- help and completion


@pytest.mark.parametrize(("magic", "line"), [("serve", SERVE), ("unserve", UNSERVE), ("nbserve", NBSERVE)])
def test_there_is_one_help_behind_every_question(kernel: Kernel, magic: str, line: object) -> None:
    text = _bare(line.help())  # type: ignore[attr-defined]
    assert text in _bare(kernel.help(f"%{magic}?"))
    assert _bare(kernel.run(f"%{magic} --help").check().stdout) == text
    if magic != "nbserve":  # there the tooltip is the module's, of the same name
        assert text in _bare(kernel.inspect(f"%{magic}"))


def test_a_cell_magic_has_the_same_help(kernel: Kernel) -> None:
    assert _bare(SERVE.help()) in _bare(kernel.help("%%serve?"))


def _bare(text: str) -> str:
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())


def test_names_options_and_variables_are_completed(kernel: Kernel) -> None:
    kernel.run("model, moment = Constant(), 3\n%serve model --name iris").check()
    assert kernel.complete("%serve mo") == ["model"]
    assert kernel.complete("x = 1\n%serve mo\ny = 2", cursor=len("x = 1\n%serve mo")) == ["model"]
    assert set(kernel.complete("%serve model --")) == {"--help", *(option.flag for option in OPTIONS)}
    assert kernel.complete("%serve model --loop k") == ["kernel"]
    assert kernel.complete("%unserve ") == ["iris"]
    assert kernel.complete("%nbserve unload i") == ["iris"]
    assert set(kernel.complete("%nbserve ")) >= {"load", "unload", "inspect", "metadata", "status", "log"}
    assert {"model", "moment"} <= set(kernel.complete("moment = mo"))


def test_the_magics_themselves_are_completed(kernel: Kernel) -> None:
    assert {"%serve", "%%serve"} <= set(kernel.complete("%ser"))
    assert "%unserve" in kernel.complete("%unser")


# --- mistakes


@pytest.fixture(scope="module")
def mistaken(shared: Kernel) -> Kernel:
    shared.run("%unserve --all").check()
    shared.run(SETTING).check()
    return shared


@pytest.mark.parametrize("bad", BAD_LINES, ids=lambda bad: bad.id)
def test_a_mistake_is_one_line_on_stderr_and_the_cell_has_failed(mistaken: Kernel, bad: BadLine) -> None:
    ran = mistaken.run(bad.line)
    assert (ran.status, ran.error) == ("error", "UsageError")
    assert {each["msg_type"] for each in ran.messages} == {"stream"}
    assert ran.stdout == ""
    assert re.fullmatch(r"UsageError: [^\n]+\n", ran.stderr)
    for words in bad.says:
        assert words in ran.stderr


def test_mistakes_have_changed_nothing(mistaken: Kernel) -> None:
    for bad in BAD_LINES[:5]:
        mistaken.run(bad.line)
    versions = mistaken.ask("{each.name: each.metadata()['version'] for each in nbserve.endpoints()}")
    assert versions == {"served": 1, "second": 1}


def test_an_error_of_the_users_own_is_shown_in_full(kernel: Kernel) -> None:
    ran = kernel.run("%%serve f\nraise KeyError('mine')\ndef f(X): return X")
    assert (ran.status, ran.error) == ("error", "KeyError")
    kernel.run("ep = nbserve.serve(Fragile(), name='model')").check()
    ran = kernel.run("ep.predict([[13]])")
    shown = "\n".join(ran.reply["traceback"])
    assert ran.error == "ModelError"
    assert "RuntimeError" in shown
    assert "thirteen" in shown
    ran = kernel.run("ep.predict(Y=[[13]])")
    assert ran.error == "InputError"


# --- the extension


def test_unloading_the_extension_takes_everything_back(fresh: object) -> None:
    kernel: Kernel = fresh()  # type: ignore[operator]
    brought = """{
        "magics": [name for kind in get_ipython().magics_manager.magics.values() for name in kind if "serve" in name],
        "matchers": [each.__name__ for each in get_ipython().Completer.custom_matchers],
        "hooks": sorted(repr(hook) for hooks in get_ipython().events.callbacks.values() for hook in hooks),
        "threads": sorted(each.name for each in threading.enumerate() if "nbserve" in each.name),
        "streams": [type(sys.stdout).__name__, type(sys.stderr).__name__],
        "files": sorted(os.listdir(os.environ["TMPDIR"])),
    }"""
    kernel.run("import sys\n%unload_ext nbserve").check()
    before = kernel.ask(brought)
    assert before["threads"] == []
    kernel.run("%load_ext nbserve\nmodel = Constant()\nep = %serve model").check()
    assert "already loaded" in kernel.run("%load_ext nbserve").check().stdout
    kernel.run("%%serve later\nasync def later(X):\n    return X").check()
    kernel.run("nbserve.get('later').predict([1]), ep.predict([[1]])\ndel later").check()
    kernel.run("ep.unload()\ndel model").check()
    during = kernel.ask(brought)
    assert all(during[key] != before[key] for key in before)
    url = kernel.ask("ep.url")
    with kernel.caller() as caller:
        assert caller.get("metadata/").status == 200
        kernel.run("%unload_ext nbserve").check()
        assert kernel.ask(brought) == before
        caller.close()
        with pytest.raises(OSError, match="refused"):
            caller.get(url)
    assert "not found" in kernel.run("%serve model").stderr
    kernel.run("%load_ext nbserve\nmodel = Constant(6)\n%serve model").check()
    kernel.run("%reload_ext nbserve\n%serve model").check()
    with kernel.caller() as caller:
        assert caller.predict([[1]]) == [6]
