"""A small torch module, of a class of its own, as people write them."""

import torch


class Network(torch.nn.Module):
    """Four numbers in, three out."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(4, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 3)
        )

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return self.layers(X)
