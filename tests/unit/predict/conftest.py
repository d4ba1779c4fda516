"""One packaged model for all tests of this folder."""

from packaged import model, model_folder

__all__ = ["model", "model_folder"]
