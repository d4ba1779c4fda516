"""What plots show of an evaluation."""
