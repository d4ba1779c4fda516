"""Commands that judge what networks, and labels, say."""
