"""How fast training is, and what that is worth: `make bench`, or `python -m benchmarks`."""

from pipeline.guard.huge_pages import start_with_huge_pages

start_with_huge_pages()  # as stages do
