"""Every backbone, described and tried for one epoch."""
