"""A trained model in a browser, and as JSON over HTTP."""
