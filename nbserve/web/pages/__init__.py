"""The pages that a browser is given: one endpoint, all of them, sign-in, errors and the API's documentation.

Pure functions from plain data to text. What never changes while a page is open is written here; what is live (state,
counters, form, result, code) is drawn by the ES modules beside this file from the JSON in ``#view``.
Every address is below `root`, the server's own prefix, so a page works behind a proxy and with or without a last slash.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any
from urllib.parse import quote

__all__ = [
    "CONTENT_SECURITY_POLICY",
    "asset",
    "docs_page",
    "endpoint_page",
    "error_page",
    "index_page",
    "sign_in_page",
]

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'self'; base-uri 'none'"
)
"""Sent with every page; Swagger UI, as it is used here, needs nothing more."""

_MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_MODULES = (
    "code.js",
    "docs.js",
    "dom.js",
    "duration.js",
    "field.js",
    "form.js",
    "gauge.js",
    "index.js",
    "languages.js",
    "literal.js",
    "live.js",
    "moment.js",
    "page.js",
    "part.js",
    "refusal.js",
    "result.js",
    "rows.js",
    "wire.js",
)
_ASSETS = {name: name for name in ("page.css", "icon.svg", *_MODULES)} | {
    "swagger-ui-bundle.js": "swagger-ui/swagger-ui-bundle.js",
    "swagger-ui.css": "swagger-ui/swagger-ui.css",
}
_SHOWN_FEATURES = 200
_SHOWN_VALUES = 12
_NOTEBOOK = "the notebook"
_UNDESCRIBED = "Columns are found when it is first loaded."


def endpoint_page(view: Mapping[str, Any], *, root: str, token: str = "") -> str:
    """The page of one endpoint: what it is, a form to try it, code to copy.

    It calls with `token` when its address has none.
    """
    model = view.get("model") or {}
    return _page(
        "endpoint.html",
        root=root,
        title=view["name"],
        token=token,
        docs=_docs_link(root, str(view["name"])),
        name=_text(view["name"]),
        subtitle=_paragraph(view.get("title"), "subtitle"),
        state=_text(view.get("state", "")),
        summary=_summary(view),
        doc=_paragraph(model.get("doc"), "doc"),
        reason=_text(view.get("reason") or ""),
        reason_hidden="" if view.get("reason") else "hidden",
        **_expectations(view),
        findings=_findings(model.get("findings") or ()),
        parameters=_parameters(model.get("parameters") or {}),
        view=_json(view),
    )


def index_page(views: Sequence[Mapping[str, Any]], *, root: str) -> str:
    """All endpoints of the server."""
    cards = "".join(_card(view, root) for view in views)
    nothing = '<p class="empty">Nothing is served. Write <code>%serve model</code> in the notebook.</p>'
    return _page(
        "index.html",
        root=root,
        title="Endpoints",
        docs=_docs_link(root),
        count=str(len(views)),
        cards=f'<ul class="cards">{cards}</ul>' if cards else nothing,
        view=_json([{key: value for key, value in view.items() if key != "model"} for view in views]),
    )


def sign_in_page(*, root: str, problem: str) -> str:
    """What a browser without a valid token is told, with a field for one; works without scripts."""
    return _page("sign-in.html", root=root, title="Token needed", problem=_text(problem))


def error_page(error: Mapping[str, Any], status: int, *, root: str) -> str:
    """An error as a person reads it: the problem, what to do, and the code to search for."""
    return _page(
        "error.html",
        root=root,
        title=str(status),
        status=_text(status),
        problem=_text(error.get("error") or "Something went wrong."),
        remedy=_paragraph(error.get("remedy"), "remedy"),
        code=_text(error.get("code") or ""),
    )


def docs_page(*, root: str, title: str, name: str = "", token: str = "") -> str:
    """Swagger UI on the server's `openapi.json`, or on that of one endpoint, with no other host involved."""
    below = f"/{quote(name, safe='')}" if name else ""
    described = _text(f"{below}/openapi.json")
    return _page("docs.html", root=root, title=title, token=token, docs=_docs_link(root, name), described=described)


def asset(name: str) -> tuple[bytes, str] | None:
    """A file that the pages refer to as `{root}/_pages/{name}` and its media type; None for any other name."""
    return _known_asset(name) if name in _ASSETS else None


@cache
def _known_asset(name: str) -> tuple[bytes, str]:
    return files(__package__).joinpath(_ASSETS[name]).read_bytes(), _MEDIA_TYPES[name[name.rindex(".") :]]


def _docs_link(root: str, name: str = "") -> str:
    return _text(f"{root}/{quote(name, safe='')}/docs" if name else f"{root}/docs")


def _page(template: str, *, root: str, title: str, token: str = "", **parts: str) -> str:
    """Fill a template; every part is HTML already; `root`, `title` and `token` are text."""
    common = {"root": _text(root), "title": _text(title), "token": _text(token)}
    return _template(template).substitute(parts, head=_template("head.html").substitute(common), **common)


@cache
def _template(name: str) -> Template:
    return Template(files(__package__).joinpath(name).read_text(encoding="utf-8"))


def _text(value: object) -> str:
    """Any value as HTML text; also safe inside a quoted attribute. A lone surrogate becomes a question mark."""
    return escape(str(value).encode("utf-8", "replace").decode("utf-8"))


def _json(value: Any) -> str:
    """JSON for a script element: no character of it can end the element. What JSON has no word for becomes null."""
    plain = json.loads(json.dumps(value, default=str), parse_constant=lambda _: None)
    written = json.dumps(plain, separators=(",", ":"))
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _paragraph(value: Any, kind: str) -> str:
    return f'<p class="{kind}">{_text(value)}</p>' if value else ""


def _shown(value: Any) -> str:
    """A JSON value as a person writes it: words bare, everything else as JSON."""
    return _text(value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False))


def _count(number: int, noun: str, plural: str = "") -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _summary(view: Mapping[str, Any]) -> str:
    """The line below the name: task, type, library, and the file or class that it comes from."""
    model = view.get("model") or {}
    task = str(model.get("task") or "")
    classes = model.get("classes") or ()
    chips = []
    if task and task != "unknown":
        chips.append(f"{task}, {_count(len(classes), 'class', 'classes')}" if classes else task)
    chips += [str(model["type"])] if model.get("type") else []
    if model.get("library"):
        chips.append(f"{model['library']} {model.get('library_version') or ''}".strip())
    if model.get("fitted") is False:
        chips.append("not fitted")
    source = view.get("source")
    if source and source not in (_NOTEBOOK, model.get("type")):
        chips.append(f"from {source}" if chips else source)
    return "".join(f'<li class="chip">{_text(chip)}</li>' for chip in chips)


def _expectations(view: Mapping[str, Any]) -> dict[str, str]:
    """What the methods take, as parts of the page; what is not known before the first load, is said."""
    if view.get("described") is False:
        return {"features": f"<p>{_UNDESCRIBED}</p>", "arguments": "", "methods": ""}
    model = view.get("model") or {}
    methods = _methods(model.get("methods") or ())
    return {"features": _features(model), "arguments": _arguments(model), "methods": methods}


def _features(model: Mapping[str, Any]) -> str:
    """The features as a table, or one sentence where they have no names."""
    features = model.get("features") or ()
    if not features:
        return f"<p>{_data_sentence(model)}</p>"
    rows = (_feature_row(feature) for feature in features[:_SHOWN_FEATURES])
    hidden = len(features) - _SHOWN_FEATURES
    more = f'<p class="muted">… and {_count(hidden, "more feature")}.</p>' if hidden > 0 else ""
    return _table("Features", ("Feature", "Type", "Values", "May be empty", "Example"), rows) + more


def _arguments(model: Mapping[str, Any]) -> str:
    """The other arguments of the main method, as a table."""
    methods = model.get("methods") or ()
    rows = "".join(_argument_row(each) for method in methods[:1] for each in method.get("parameters") or ())
    return f"<h3>Arguments</h3>{_table('Arguments', ('Argument', 'Type', 'Values', 'Default'), [rows])}" if rows else ""


def _argument_row(parameter: Mapping[str, Any]) -> str:
    choices = parameter.get("choices")
    cells = (
        _text(parameter.get("annotation") or parameter["datatype"]),
        '<span class="muted">any</span>' if choices is None else ", ".join(_shown(each) for each in choices),
        '<span class="muted">required</span>'
        if parameter.get("required")
        else f"<code>{_shown(parameter.get('default'))}</code>",
    )
    return f'<tr><th scope="row">{_text(parameter["name"])}</th>{_cells(cells)}</tr>'


def _data_sentence(model: Mapping[str, Any]) -> str:
    methods = model.get("methods")
    if not methods:
        return "The model has not been looked at yet; it will be when it is loaded."
    data = methods[0].get("data")
    if data is None:
        return "Plain arguments, by name."
    if data["kind"] == "texts":
        return "A list of texts."
    if data["kind"] == "matrix" and data.get("width"):
        return f"Rows of {_count(data['width'], 'number')}."
    if data["kind"] == "matrix":
        return "Rows of numbers."
    return f"<code>{_text(data['name'])}</code>: {_text(data.get('annotation') or 'any JSON value')}."


def _feature_row(feature: Mapping[str, Any]) -> str:
    dtype = feature.get("dtype")
    kind = _text(feature["datatype"]) + (f' <span class="muted">{_text(dtype)}</span>' if dtype else "")
    cells = (
        kind,
        _categories(feature),
        "yes" if feature.get("nullable") else "no",
        f"<code>{_shown(feature.get('example'))}</code>",
    )
    return f'<tr><th scope="row">{_text(feature["name"])}</th>{_cells(cells)}</tr>'


def _categories(feature: Mapping[str, Any]) -> str:
    categories = feature.get("categories")
    if categories is None:
        return '<span class="muted">any</span>'
    shown = _listed(categories)
    return shown if feature.get("closed") else f'{shown} <span class="muted">or another</span>'


def _listed(values: Sequence[Any]) -> str:
    """The first few of some values, and how many more there are."""
    hidden = len(values) - _SHOWN_VALUES
    return ", ".join(_shown(each) for each in values[:_SHOWN_VALUES]) + (f" … {hidden} more" if hidden > 0 else "")


def _cells(cells: Iterable[str], tag: str = "td") -> str:
    return "".join(f"<{tag}>{cell}</{tag.split()[0]}>" for cell in cells)


def _methods(methods: Sequence[Mapping[str, Any]]) -> str:
    listed = "".join(_method(each) for each in methods)
    return f'<h3>Methods</h3><dl class="methods">{listed}</dl>' if listed else ""


def _method(method: Mapping[str, Any]) -> str:
    data = method.get("data")
    arguments = [] if data is None else [_text(data["name"])]
    arguments += [_argument(each) for each in method.get("parameters") or ()]
    outputs = [each["name"] for each in method.get("outputs") or ()]
    doc = str(method.get("doc") or "").strip().split("\n\n")[0]
    return (
        f"<dt><code>{_text(method['method'])}({', '.join(arguments)})</code></dt>"
        f"<dd>{_text(doc)}{f' Answers {_listed(outputs)}.' if len(outputs) > 1 else ''}</dd>"
    )


def _argument(parameter: Mapping[str, Any]) -> str:
    name = _text(parameter["name"])
    return name if parameter.get("required") else f"{name}={_shown(parameter.get('default'))}"


def _findings(findings: Sequence[Mapping[str, Any]]) -> str:
    rows = (
        f'<tr><th scope="row">{_text(each["what"])}</th>{_cells((_shown(each["value"]), _text(each["because"])))}</tr>'
        for each in findings
    )
    return _folded("How we know", ("Finding", "Value", "Because"), rows)


def _parameters(parameters: Mapping[str, Any]) -> str:
    rows = (
        f'<tr><th scope="row">{_text(name)}</th><td><code>{_shown(value)}</code></td></tr>'
        for name, value in parameters.items()
    )
    return _folded("Settings of the model", ("Setting", "Value"), rows)


def _folded(title: str, heads: Sequence[str], rows: Iterable[str]) -> str:
    """A table behind a line that opens it; nothing when there is nothing to show."""
    body = "".join(rows)
    if not body:
        return ""
    return f'<details class="panel"><summary>{title}</summary>{_table(title, heads, [body])}</details>'


def _table(title: str, heads: Sequence[str], rows: Iterable[str]) -> str:
    """A table that scrolls in its own box, which the keyboard can reach."""
    head = _cells(heads, tag='th scope="col"')
    return (
        f'<div class="scroll tall" tabindex="0" role="region" aria-label="{title}">'
        f"<table><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _card(view: Mapping[str, Any], root: str) -> str:
    """One endpoint of the index; `index.js` keeps the marked numbers up to date."""
    name = _text(view["name"])
    link = f"{_text(root)}/{quote(str(view['name']), safe='')}/"
    return (
        f'<li class="panel card" data-name="{name}">'
        f'<div class="card-head"><h2><a href="{link}" data-keep-query>{name}</a></h2>'
        f'<span class="state" data-state="{_text(view.get("state", ""))}">{_text(view.get("state", ""))}</span></div>'
        f"{_paragraph(view.get('title'), 'subtitle')}"
        f'<ul class="chips">{_summary(view)}</ul>'
        '<dl class="stats"></dl>'
        f"{_reason(view)}</li>"
    )


def _reason(view: Mapping[str, Any]) -> str:
    return f'<p class="reason">{_text(view["reason"])}</p>' if view.get("reason") else ""
