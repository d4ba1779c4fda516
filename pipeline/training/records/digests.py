"""What a training begins with, in a word: by it a snapshot is known."""

from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

import torch
from jaxtyping import Int
from torch import Tensor, nn

from pipeline.base.cores import cores
from pipeline.networks.rows import Rows, StoredImages

_HASHED = 32  # rows hashed at a time by each thread


def digest_of_network(network: nn.Module) -> str:
    """Of what a network is made of, and of its weights."""
    found = blake2b(repr(network).encode())
    for name, value in network.state_dict().items():
        found.update(name.encode())
        found.update(value.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def digest_of_rows(rows: Rows) -> str:
    """A hash of all that the rows hold; of stored images, as they are before they are resized."""
    parts = torch.arange(len(rows)).split(_HASHED)
    about = repr((len(rows), rows.size if isinstance(rows, StoredImages) else "tensor"))
    with ThreadPoolExecutor(min(cores(), 8)) as pool:
        digests = pool.map(lambda part: blake2b(_raw(rows, part)).digest(), parts)
        return blake2b(about.encode() + b"".join(digests)).hexdigest()


def _raw(rows: Rows, part: Int[Tensor, " b"]) -> bytes:
    if isinstance(rows, StoredImages):
        return rows.shards.gather(rows.rows[part.numpy()]).tobytes()
    return rows[part].contiguous().cpu().numpy().tobytes()
