"""A trained model on anybody's radiograph."""

from pipeline.predict.model import Model, Patient, Prediction, load_model

__all__ = ["Model", "Patient", "Prediction", "load_model"]
