"""How the images of an epoch are divided into batches: all of them, and none left alone."""


def batch_sizes(images: int, batch_size: int) -> list[int]:
    """How many images each batch of an epoch holds: as few batches as `batch_size` allows.

    Sizes differ by one at most, so that every image counts about the same in an epoch. No batch
    is of a single image, of which batch normalisation has no statistics, unless there is only one
    or `batch_size` is 1: batches of two become three where the number of images is odd.

    Args:
        images: of the training split.
        batch_size: largest size of a batch.
    """
    count = -(-images // batch_size)
    if batch_size > 1:
        count = min(count, max(images // 2, 1))
    each, larger = divmod(images, count)
    return [each + 1] * larger + [each] * (count - larger)
