"""The verbs of `%nbserve`, one row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import OptionError
from ..settings import settings_table
from ..terms import TERMS
from .link_views import link_html, link_text, links_html, links_text
from .wording import traffic_table

if TYPE_CHECKING:
    from .session import Session

__all__ = ["VERBS", "Verb", "only_name"]


@dataclass(frozen=True, slots=True)
class Verb:
    """What can be ordered of an endpoint. `needs_name` is false where all of them can be meant.

    `flags` are the options that it takes, by the names of its parameters.
    """

    help: str
    run: Callable[..., object]
    needs_name: bool = True
    flags: tuple[str, ...] = ()


def only_name(session: Session, verb: str) -> str:
    """The name that is meant when none was typed. Raises `OptionError` unless there is just one."""
    names = [served.name for served in session.registry]
    if not VERBS[verb].needs_name:
        return ""
    if len(names) != 1:
        listed = f"Served are: {', '.join(names)}." if names else "Nothing is served."
        raise OptionError(f"Name the endpoint: %nbserve {verb} NAME.", listed)
    return names[0]


def _help(_session: Session, _name: str) -> None:
    _say("\n".join(f"%nbserve {verb:<9} {row.help}" for verb, row in VERBS.items()))


def _load(session: Session, name: str) -> None:
    session.registry[name].load()
    session.changed()
    _say(session.text(name))


def _unload(session: Session, name: str, *, forget: bool = False) -> None:
    report = session.registry[name].unload(forget=forget)
    session.changed()
    _say(f"{name}: {report.sentence()}")


def _inspect(session: Session, name: str) -> object:
    return session.registry[name].inspect()


def _metadata(session: Session, name: str) -> dict[str, object]:
    return session.registry[name].metadata()


def _status(session: Session, name: str) -> None:
    names = [session.registry[name].name] if name else [served.name for served in session.registry]
    _say("\n".join(session.text(each) for each in names) or "Nothing is served. Type %serve MODEL.")


def _refresh(session: Session, name: str) -> None:
    session.refresh(name)
    _say(session.text(name))


def _config(session: Session, name: str) -> None:
    _say(settings_table(session.settings(name)))


def _log(session: Session, name: str) -> None:
    _say("\n".join(session.registry[name].log.lines()) or f"{name} has printed nothing.")


def _traffic(session: Session, name: str) -> None:
    _say(traffic_table(session.traffic(name)))


def _share(session: Session, name: str, **given: object) -> None:
    made = session.share(name, **given)
    session.changed()
    _show(link_text(made), link_html(made))


def _shares(session: Session, name: str) -> None:
    entries = session.shares(name or None)
    _show(links_text(entries), links_html(entries))


def _revoke(session: Session, word: str) -> None:
    if not word:
        raise OptionError("Name the link, or the endpoint: %nbserve revoke ID|NAME.", "%nbserve shares lists them.")
    revoked = session.revoke(word)
    session.changed()
    _say(f"Revoked: {', '.join(each['id'] for each in revoked)}.")


def _show(text: str, html: str) -> None:
    """As a notebook shows it, or a terminal."""
    from IPython.display import display

    display({"text/plain": text, "text/html": html}, raw=True)  # type: ignore[no-untyped-call]  # it is untyped


def _say(text: str) -> None:
    print(text)  # noqa: T201 - the answer to what the user typed


VERBS: dict[str, Verb] = {
    "load": Verb("bring the model into memory", _load),
    "unload": Verb(
        "let the model's memory go; the next request brings it back; --forget: its variables too",
        _unload,
        flags=("forget",),
    ),
    "inspect": Verb("what the model is and takes, and how that is known", _inspect),
    "metadata": Verb("name, state, memory and counters, as a dict", _metadata),
    "status": Verb("one line an endpoint", _status, needs_name=False),
    "refresh": Verb("look again at a model that has changed in place; nothing is loaded", _refresh),
    "config": Verb("every option: its value, its default, and who has set it", _config),
    "log": Verb("what the model printed, warned and raised", _log),
    "traffic": Verb("the newest requests: time, caller, rows, ms, status", _traffic),
    "share": Verb(
        "a link that opens it to people without an account: --for, --methods, --rate, --rows, --label, --allow",
        _share,
        flags=tuple(term.name for term in TERMS),
    ),
    "shares": Verb("the links, what they open, and what they were used for", _shares, needs_name=False),
    "revoke": Verb("end a link, or all links of an endpoint: %nbserve revoke ID|NAME", _revoke, needs_name=False),
    "help": Verb("this", _help, needs_name=False),
}
