"""A trained model on a cohort that it has nothing of: external validation."""
