"""Components and resources that tests share."""

import threading

from nbserve import Model, ModelComponent, ModelResource, resource_method
from tests.client import PATIENCE_S

__all__ = ["Loads", "Scaled", "Scores", "Waits"]


class Scaled(Model):
    """A model that tells which it is."""

    def predict(self, X):
        return [value * self.model for value in X]

    def predict_proba(self, X):
        return [1.0 for _ in X]


class Loads(ModelComponent):
    def __init__(self, factor: int = 2):
        self.factor = factor
        self.loads = 0

    def load_model(self):
        self.loads += 1
        self.model = Scaled(self.factor)

    def unload_model(self):
        self.model = None

    def resolve(self) -> Scaled:
        if self.model is None:
            self.load_model()
        return self.model


class Scores(ModelResource):
    @resource_method("/score/", methods=["POST"])
    def score(self, factor: int = 1):
        return {"score": self.model.model * factor}


class Waits(ModelResource):
    """Methods that answer when they are let."""

    def __init__(self, component: ModelComponent, inside: int = 1):
        self.component = component
        self.entered = threading.Semaphore(0)
        self.may_leave = threading.Event()

    @resource_method("/slow/")
    def slow(self):
        self.entered.release()
        assert self.may_leave.wait(PATIENCE_S)
        return "slow"

    @resource_method("/slow-async/")
    async def slow_async(self):
        return self.slow()

    @resource_method("/held/")
    def held(self, model: Scaled):
        self.slow()
        return model.model

    @resource_method("/quick/")
    def quick(self):
        return "quick"

    @resource_method("/drop/")
    def drop(self):
        self.entered.release()
        self.component.unload_model()
