"""FastAPI as its tutorial writes it: a pydantic body, a ``def`` (``sync``) or an ``async def`` (``async``)."""

from __future__ import annotations

import given
import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

predict = given.predictor()
app = FastAPI()


class Rows(BaseModel):
    X: list[list[float]]


class Answer(BaseModel):
    predict_result: list[int] | list[list[float]]


if given.VARIANT == "sync":

    @app.post("/predict")
    def answer(rows: Rows) -> Answer:
        return Answer(predict_result=predict(np.array(rows.X)).tolist())
else:

    @app.post("/predict")
    async def answer(rows: Rows) -> Answer:
        return Answer(predict_result=predict(np.array(rows.X)).tolist())


if __name__ == "__main__":
    uvicorn.run(app, port=given.PORT, log_level="error", access_log=False)
