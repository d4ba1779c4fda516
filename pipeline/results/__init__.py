"""From predictions to numbers, figures and a page."""
