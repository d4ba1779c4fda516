"""Trained models in MLflow's registry: put there, and found again by their address.

Importing this is cheap: MLflow is imported when it is asked.
"""

from pipeline.tracking.registry.asking import model_folder, register_model, serve_command
from pipeline.tracking.registry.model_names import ADDRESSES, is_address

__all__ = ["ADDRESSES", "is_address", "model_folder", "register_model", "serve_command"]
