"""Lines that are typed wrong, and what the one line of answer must say: one list for the shell and for the kernel.

`SETTING` is the notebook in which they are typed: `model` is served as `served` and as `second`.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BAD_LINES", "SETTING", "BadLine"]

SETTING = """
import math
import nbserve
import pandas as pd
from sklearn.linear_model import LogisticRegression

class Model:
    def predict(self, X):
        return [0 for _ in X]

class Needs:
    def __init__(self, weights):
        self.weights = weights
    def predict(self, X):
        return X

def boom():
    raise ZeroDivisionError("boom")

model = Model()
unfitted = LogisticRegression()
class Bare(nbserve.ModelResource):
    name = "bare"

class Lazy(nbserve.ModelComponent):
    def load_model(self):
        return Model()

class Taken(nbserve.ModelResource):
    name = "served"
    component = Lazy()

number, text, nothing = 3, "model.pkl", None
frame = pd.DataFrame({"a": [1.0]})
endpoint = nbserve.serve(model, name="served")
second = nbserve.serve(model, name="second")

@endpoint.app.get("/taken/by/me")
def mine():
    return {}
"""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A cell that is one mistake, and the words that its answer must have."""

    id: str
    line: str
    says: tuple[str, ...]


def _bad(ident: str, line: str, *says: str) -> BadLine:
    return BadLine(ident, line, says)


BAD_LINES = [
    # options
    _bad("unknown option", "%serve model --nmae iris", "no option '--nmae'", "Did you mean '--name'?"),
    _bad("unknown option, nothing near", "%serve model --xyzzy", "no option '--xyzzy'.", "--help"),
    _bad("abbreviated option", "%serve model --thr 2", "no option '--thr'", "Did you mean '--threads'?"),
    _bad("short option", "%serve model -n iris", "no option '-n'"),
    _bad("value missing", "%serve model --name", "--name: expected one argument"),
    _bad("value missing before another", "%serve model --name --port 1", "--name: expected one argument"),
    _bad("value for a switch", "%serve model --no-token=1", "--no-token", "ignored explicit argument '1'"),
    _bad("name with a blank", "%serve model --name 'a b'", "name cannot be 'a b'", "letters, digits"),
    _bad("name with a slash", "%serve model --name a/b", "name cannot be 'a/b'", "letters, digits"),
    _bad("name too long", f"%serve model --name {'a' * 65}", "name cannot be", "64 at most"),
    _bad("name empty", "%serve model --name ''", "name cannot be ''", "letters, digits"),
    _bad("name reserved, docs", "%serve model --name docs", "name cannot be 'docs'", "a name other than"),
    _bad("name reserved, health", "%serve model --name health", "name cannot be 'health'", "a name other than"),
    _bad("name of a user's route", "%serve model --name taken", "A route of your own begins with /taken", "--name"),
    _bad("port no number", "%serve model --port http", "port cannot be 'http'", "from 0 to 65535"),
    _bad("port below", "%serve model --port -1", "port cannot be '-1'", "from 0 to 65535"),
    _bad("port above", "%serve model --port 65536", "port cannot be '65536'", "from 0 to 65535"),
    _bad("port other than the running one", "%serve model --port 1", "listens on port", "%unserve --all"),
    _bad("threads below", "%serve model --threads 0", "threads cannot be '0'", "from 1 to 64"),
    _bad("threads above", "%serve model --threads 65", "threads cannot be '65'", "from 1 to 64"),
    _bad("queue below", "%serve model --queue 0", "queue cannot be '0'", "from 1 to 1000000"),
    _bad("queue above", "%serve model --queue 1000001", "queue cannot be '1000001'", "from 1 to 1000000"),
    _bad("deadline of nothing", "%serve model --deadline 0s", "deadline", "'0s'", "a time above 0"),
    _bad("deadline below", "%serve model --deadline -1s", "--deadline", "expected one argument"),
    _bad("deadline without end", "%serve model --deadline inf", "deadline", "'inf'", "a time above 0"),
    _bad("deadline in another unit", "%serve model --deadline 2days", "deadline", "'2days'", "a time above 0"),
    _bad("body limit of nothing", "%serve model --body-limit 0", "body", "'0'", "a size of 1 byte or more"),
    _bad("body limit in another unit", "%serve model --body-limit 5s", "body", "'5s'", "a size of 1 byte or more"),
    _bad("body limit beyond numbers", f"%serve model --body-limit {'9' * 400}", "body", "a size of 1 byte or more"),
    _bad("loop unknown", "%serve model --loop main", "loop cannot be 'main'", "'own' or 'kernel'"),
    _bad("path of two parts", "%serve model --path /v1/model", "path cannot be '/v1/model'"),
    _bad("path of nothing", "%serve model --path /", "path cannot be '/'", "a path of one part"),
    _bad("path and name", "%serve model --path /a --name b", "two names for one endpoint"),
    _bad("idle of nothing", "%serve model --idle 0", "idle cannot be '0'", "a time above 0"),
    _bad("load deadline of nothing", "%serve model --load-deadline 0s", "load-deadline", "a time above 0"),
    _bad("budget of words", "%serve model --budget much", "budget cannot be 'much'", "such as 64MiB"),
    _bad("value for eager", "%serve model --eager=1", "--eager", "ignored explicit argument '1'"),
    _bad("forget what is to be loaded", "%nbserve load served --forget", "%nbserve load has no option '--forget'"),
    # what is served
    _bad("unknown variable", "%serve modle", "no variable 'modle'", "Did you mean 'model'?"),
    _bad("unknown variable, nothing near", "%serve xyzzy", "no variable 'xyzzy'.", "Run the cell"),
    _bad("unfitted", "%serve unfitted", "LogisticRegression", "not", "fit"),
    _bad("number", "%serve number", "nothing to call", "int"),
    _bad("file that is not there", "%serve text", "There is no file 'model.pkl'"),
    _bad("file that is not there, typed", "%serve ./no/such.joblib", "no folder 'no'", "such.joblib"),
    _bad("resource without a model", "%serve Bare", "Bare", "component", "model_path"),
    _bad("resource with a taken name", "%serve Taken", "served is the name of another endpoint", "--name"),
    _bad("component that is a class", "%serve Lazy", "Lazy is a class"),
    _bad("None", "%serve nothing", "nothing to call", "None"),
    _bad("frame", "%serve frame", "nothing to call", "DataFrame"),
    _bad("module", "%serve math", "math is a module"),
    _bad("class", "%serve Model", "Model is a class", "Model()"),
    _bad("handle", "%serve endpoint", "served is an endpoint already"),
    _bad("expression that raises", "%serve boom()", "'boom()' cannot be served", "ZeroDivisionError: boom"),
    _bad("no expression", "%serve model[", "'model[' cannot be served", "SyntaxError"),
    _bad("two models", "%serve model unfitted", "'model unfitted' cannot be served"),
    _bad("two models, options between", "%serve model --name a other", "'other' is one word too many"),
    _bad("unclosed quotation", "%serve model --name 'iris", "cannot be read", "Close the quotation"),
    _bad("no model", "%serve --name iris", "no model before the options"),
    # cells
    _bad("cell without a definition", "%%serve f\nx = 1", "defines no function and no class"),
    _bad("cell with a class that needs more", "%%serve f\nclass F(Needs): pass", "F() cannot be made", "%serve F(…)"),
    _bad("cell with two names", "%%serve f g\ndef f(X): return X", "name cannot be 'f g'"),
    _bad("cell with a wrong option", "%%serve f --prot 1\ndef f(X): return X", "'--prot'", "Did you mean '--port'?"),
    # the other magics
    _bad("nothing to stop", "%unserve", "Name what to stop", "--all"),
    _bad("unknown endpoint to stop", "%unserve servd", "No endpoint is called 'servd'", "Did you mean 'served'?"),
    _bad("two endpoints to stop", "%unserve served second", "No endpoint is called 'served second'"),
    _bad("unknown option of unserve", "%unserve --al", "no option '--al'", "Did you mean '--all'?"),
    _bad("unknown verb", "%nbserve unlod served", "no verb 'unlod'", "Did you mean 'unload'?"),
    _bad("no verb, nothing near", "%nbserve xyzzy", "no verb 'xyzzy'.", "%nbserve lists them"),
    _bad("which one of two", "%nbserve unload", "%nbserve unload NAME", "Served are: served, second"),
    _bad("unknown endpoint", "%nbserve inspect sevred", "No endpoint is called 'sevred'", "Did you mean 'served'?"),
    _bad("unknown option of nbserve", "%nbserve status --all", "no option '--all'"),
    _bad("share for how long", "%nbserve share served --for soon", "for cannot be 'soon'", "such as 30m, 2h or 7d"),
    _bad("share how often", "%nbserve share served --rate 10", "rate cannot be '10'", "such as 10/s"),
    _bad("share how many rows", "%nbserve share served --rows 0", "rows cannot be '0'", "a whole number from 1"),
    _bad("share what", "%nbserve share served --methods predikt", "no method 'predikt'", "Did you mean 'predict'?"),
    _bad("share what is the owner's", "%nbserve share served --methods unload", "unload are the owner's"),
    _bad("share without a server", "%nbserve share served", "none runs this", "--host 0.0.0.0"),
    _bad("share nothing", "%nbserve share nothing", "No endpoint is called 'nothing'"),
    _bad("terms of no share", "%nbserve load served --for 2h", "%nbserve load has no option '--for'"),
    _bad("misspelled term", "%nbserve share served --lable Ann", "no option '--lable'", "Did you mean '--label'?"),
    _bad("revoke nothing", "%nbserve revoke", "%nbserve revoke ID|NAME"),
    _bad("revoke what is not", "%nbserve revoke 0123", "There is no link '0123'", "%nbserve shares"),
    _bad("unclosed quotation of nbserve", "%nbserve load 'served", "cannot be read", "Close the quotation"),
]
