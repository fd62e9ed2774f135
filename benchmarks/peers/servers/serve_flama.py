"""Flama, on a model that was dumped to its own file."""

from __future__ import annotations

import flama
import given
import uvicorn

if __name__ == "__main__":
    app = flama.Flama()
    app.models.add_model("/model/", model=str(given.PATH.with_suffix(".flm")), name="model")
    uvicorn.run(app, port=given.PORT, log_level="error", access_log=False)
