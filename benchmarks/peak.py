"""The most memory that a process takes which trains, or makes crops, and does nothing else."""

import json
import sys

import torch

from benchmarks.attention import crops_per_second
from benchmarks.bare import Bare
from benchmarks.machine import most_resident
from benchmarks.setup import amount, make_network, make_plan, make_task, random_images
from pipeline.training.fit import fit


def main() -> None:
    """Do what the command line says, and print megabytes: of the GPU if there is one."""
    what, backbone = sys.argv[1:]
    much = amount()
    if what == "crops":
        crops_per_second(int(backbone))
    elif what == "bare":
        Bare(make_network(backbone), much.batch).images_per_second(2)
    else:
        task = make_task(random_images(much.batch * 2))
        list(fit(make_network(backbone), task, make_plan(much.batch, epochs=1)))
    on_gpu = torch.cuda.is_available() and what != "crops"
    peak = torch.cuda.max_memory_allocated() if on_gpu else most_resident()
    sys.stdout.write(json.dumps(peak / 1e6))


if __name__ == "__main__":
    main()
