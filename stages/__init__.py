"""One file, one stage, one verb: read dependencies, call `pipeline`, write outputs."""

import os
import time

from pipeline.guard.huge_pages import start_with_huge_pages
from pipeline.guard.orphans import end_with_starter
from pipeline.guard.thread_waits import let_threads_sleep

# Before any of the code is read: what is edited while it is being read may have come too late.
# The clock of files may be some milliseconds behind.
os.environ["CXR_STARTED_NS"] = str(time.time_ns() - 10_000_000)

# Before any stage imports torch, which reads once how its threads are to wait.
let_threads_sleep()

# Where memory comes from changes no output, and huge pages make training faster.
start_with_huge_pages()

# Before anything takes long: who starts a stage may be killed at any moment.
end_with_starter()
