"""Networks that torchxrayvision publishes, as the start of a branch."""
