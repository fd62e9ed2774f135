"""Which session is whose: that of the shell that runs here, or of the plain Python process."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any, cast

from .session import Session

__all__ = ["close_session", "current_session"]


def close_session(shell: Any) -> None:
    """End the shell's session, if it has one."""
    session = getattr(shell, "nbserve_session", None)
    if session is not None:
        del shell.nbserve_session
        shell.events.unregister("pre_execute", session.before_execution)
        shell.events.unregister("post_execute", session.after_execution)
        shell.events.unregister("post_run_cell", session.after_cell)
        session.close()


_plain: Session | None = None


def current_session() -> Session:
    """The session of the shell that runs here, else that of the plain Python process."""
    shell = _shell()
    if shell is None:
        return _plain_session()
    session = getattr(shell, "nbserve_session", None)
    if session is None:
        # on the shell and not in a module: %autoreload empties the variables of modules
        session = shell.nbserve_session = Session(
            shell.user_ns,
            shell,
            is_watched=True,
            has_widgets=hasattr(shell, "kernel"),
            settings=partial(_settings, shell),
        )
        shell.events.register("pre_execute", session.before_execution)
        shell.events.register("post_execute", session.after_execution)
        shell.events.register("post_run_cell", session.after_cell)
    return cast("Session", session)


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _settings(shell: Any) -> dict[str, Any]:
    """What was set by ``%config``."""
    return next((each.given for each in shell.configurables if type(each).__name__ == "Nbserve"), {})


def _plain_session() -> Session:
    global _plain
    if _plain is None:
        _plain = Session(sys.modules["__main__"].__dict__)
    return _plain
