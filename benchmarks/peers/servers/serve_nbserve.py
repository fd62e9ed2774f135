"""nbserve, with its defaults. ``loop`` and ``numpy``: while the main thread runs a cell that never ends."""

from __future__ import annotations

import threading

import cell
import given

import nbserve

if __name__ == "__main__":
    endpoint = nbserve.serve(given.model(), name="model", port=given.PORT)
    print(f"TOKEN {endpoint.token}", flush=True)
    cell.run(given.VARIANT) if given.VARIANT else threading.Event().wait()
