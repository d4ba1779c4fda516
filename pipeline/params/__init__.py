"""params.yaml."""
