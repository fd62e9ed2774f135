"""Flama, on a model that was dumped to its own file."""

from __future__ import annotations

import flama
import given
import uvicorn

if __name__ == "__main__":
    path = given.PATH.with_suffix(".flm")
    if not path.exists():
        flama.dump(given.model(), path=path, family="ml")
    app = flama.Flama()
    app.models.add_model("/model/", model=str(path), name="model")
    uvicorn.run(app, port=given.PORT, log_level="error", access_log=False)
