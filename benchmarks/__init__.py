"""How fast training is, and what that is worth: `make bench`, or `python -m benchmarks`."""

from pipeline.guard.huge_pages import start_with_huge_pages
from pipeline.guard.thread_waits import let_threads_sleep

# As stages do.
let_threads_sleep()
start_with_huge_pages()
