"""What a packaged model says of itself: description, training images, votes on validation."""
