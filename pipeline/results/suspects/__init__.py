"""Labels that out-of-sample probabilities contradict."""
