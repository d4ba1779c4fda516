"""dvc.yaml held to the code, and what a change runs again."""
