"""The schema of every file that passes between stages; nothing else opens them."""
