"""vetiver, with a prototype of the columns."""

from __future__ import annotations

import json
import warnings

import given
import pandas as pd
import vetiver

if __name__ == "__main__":
    rows = json.loads(given.PATH.with_suffix(".rows.json").read_text())
    prototype = pd.DataFrame(rows, columns=[f"x{index}" for index in range(len(rows[0]))])
    warnings.filterwarnings("ignore", "X has feature names")  # the model was fitted on plain rows, as everybody's
    model = vetiver.VetiverModel(given.model(), "model", prototype_data=prototype)
    vetiver.VetiverAPI(model).run(given.PORT, quiet_open=True, log_level="error", access_log=False)
