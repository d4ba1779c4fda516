"""From a trained network to a table of probabilities; the sigmoid is applied here, once."""

import numpy as np
import pandas as pd
from torch import nn

from pipeline.base.findings import FINDINGS
from pipeline.training.data.examples import Examples
from pipeline.training.predict import predict_logits


def predict_table(network: nn.Module, examples: dict[str, Examples]) -> pd.DataFrame:
    """Probabilities on the validation and test images (schema PREDICTIONS)."""
    return pd.concat(
        [_predict(network, examples[split]) for split in ("val", "test")],
        ignore_index=True,
    )


def _predict(network: nn.Module, examples: Examples) -> pd.DataFrame:
    probs = predict_logits(network, examples.inputs, precision="fp32").sigmoid().numpy()
    frame = pd.DataFrame(probs.astype(np.float32), columns=list(FINDINGS))
    frame.insert(0, "split", examples.split)
    frame.insert(0, "image_index", examples.image_index)
    return frame
