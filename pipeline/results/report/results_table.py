"""All that was measured on test images, as one table."""

import pandas as pd

COLUMNS = ("system", "measure", "finding", "value", "low", "high")


def results_table(scores: pd.DataFrame, localisation: pd.DataFrame) -> pd.DataFrame:
    """COLUMNS: AUROC and average precision of each system, then every measure of each heatmap.

    Args:
        scores: table `scores` of `evaluate`.
        localisation: schema LOCALISATION; a heatmap's system is `<member>.<method>`.
    """
    on_test = scores[scores["split"] == "test"]
    maps = localisation.assign(system=localisation["member"] + "." + localisation["method"])
    return pd.concat([on_test[list(COLUMNS)], maps[list(COLUMNS)]], ignore_index=True)
