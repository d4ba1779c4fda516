"""One seed in params.yaml, a different one for every network."""

import zlib


def derive_seed(seed: int, *names: str) -> int:
    """A seed for what `names` call, so that members of the same backbones still differ.

    Stable across machines, Python versions and runs.
    """
    return zlib.crc32("/".join([str(seed), *names]).encode())
