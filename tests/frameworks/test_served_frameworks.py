"""Models of the frameworks asked from the kernel itself. (Over HTTP: `test_conformance.py`.)"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.conftest import Serve

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore")]  # of the libraries, about themselves

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.0, 2.2, 4.0, 1.0]]


def test_python_code_in_the_kernel_asks_with_arrays_of_its_own(serve: Serve) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).eval()
    ep = serve(model, name="m")
    with torch.no_grad():
        directly = model(torch.tensor(ROWS)).numpy()
    for rows in (np.array(ROWS), np.array(ROWS, dtype="float32"), torch.tensor(ROWS)):
        assert np.allclose(ep.predict(rows), directly, rtol=1e-5, atol=1e-6)
