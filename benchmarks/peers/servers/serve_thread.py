"""FastAPI by hand on a thread of the process whose main thread runs a cell: what one writes in a notebook instead."""

from __future__ import annotations

import threading

import cell
import given
import uvicorn
from serve_fastapi import app

if __name__ == "__main__":
    config = uvicorn.Config(app, port=given.PORT, log_level="error", access_log=False)
    threading.Thread(target=uvicorn.Server(config).run, daemon=True).start()
    kind = given.VARIANT.removeprefix("async-")
    cell.run(kind) if kind != "idle" else threading.Event().wait()
