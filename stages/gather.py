"""Stage `gather`: what a member brings to the vote, where all members' lies together.

Its deps are exact outputs, so that DVC fetches each that a colleague lacks. The stages behind it
depend on folders of all members, and DVC takes such a folder for present once it is there in part.
"""

from pipeline.fusion.gathering import gather
from stages.options import Choice, Dep, Out, run


def main(
    member: Choice,
    global_predictions: Dep,
    local_predictions: Dep,
    fusion_predictions: Dep,
    global_curves: Dep,
    local_curves: Dep,
    fusion_curves: Dep,
    reconstructions: Dep,
    predictions: Out,
    curves: Out,
    pretraining: Out,
) -> None:
    """Copy a member's predictions, learning curves and reconstructions."""
    gather([global_predictions, local_predictions, fusion_predictions], predictions, of=member)
    gather([global_curves, local_curves, fusion_curves], curves, of=member)
    gather([reconstructions], pretraining, of=member)


if __name__ == "__main__":
    run(main)
