"""A trained model on anybody's radiograph.

```python
from pipeline.predict import load_model
model = load_model("data/models")
found = model("radiograph.png", age=58, gender="F", view="PA")
found.probabilities["Mass"], found.calls["Mass"], found.heatmap("Mass")
```
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.predict.model import Model, load_model
    from pipeline.predict.prediction import Prediction
    from pipeline.predict.radiograph import Radiograph, read_radiograph

_WHERE = {
    "Model": "model",
    "load_model": "model",
    "Prediction": "prediction",
    "Radiograph": "radiograph",
    "read_radiograph": "radiograph",
}

__all__ = ["Model", "Prediction", "Radiograph", "load_model", "read_radiograph"]


def __getattr__(name: str) -> Any:
    """Import the networks when they are asked for: the stage `package` needs none."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"pipeline.predict.{_WHERE[name]}"), name)
