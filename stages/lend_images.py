"""Stage `lend_images`: the images for a fusion that trains through its branches, else none."""

from pipeline.training.lent import lend_images
from stages.options import Choice, Dep, Out, run


def main(finetune: Choice, images: Dep, out: Out) -> None:
    """Write what `train_fusion` is to see of the images."""
    lend_images(images, out, every=finetune == "true")


if __name__ == "__main__":
    run(main)
