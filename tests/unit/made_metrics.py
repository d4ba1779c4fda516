"""What a run leaves in metrics/systems.json and methods.json, of chosen numbers."""

from pipeline.base.findings import FINDINGS

GAIN = (0.01, 0.005, 0.015)


def with_ends(name, value, ends):
    """A value and its interval; `ends` is None without a bootstrap."""
    return {name: value} | (
        {} if ends is None else {f"{name}_low": ends[0], f"{name}_high": ends[1]}
    )


def made_metrics(
    mean=0.8, ends=(0.78, 0.82), *, gains=None, aurocs=None, ceiling=0.9, floor=0.55, val=True,
    images=1200, patients=300,
):  # fmt: skip
    """metrics/systems.json.

    Args:
        mean: of the ensemble.
        ends: of its interval and, moved along, of every other system's.
        gains: by member, fusion less global branch: value, low, high; without a bootstrap the
            value alone.
        aurocs: of the ensemble, by finding; the other findings have one class only.
        ceiling: None where it is not known.
        floor: of metadata alone; None where there is none.
        val: whether there are validation images.
        images: of the test split.
        patients: of the test split.
    """
    gains = {"model": GAIN, "second": GAIN} if gains is None else gains
    aurocs = dict.fromkeys(FINDINGS, mean) if aurocs is None else aurocs
    limits = {} if ceiling is None else {"mean_auroc": ceiling, "auroc": aurocs}

    def entry(value):
        moved = None if ends is None else [end - mean + value for end in ends]
        share = {} if ceiling is None else {"share_of_ceiling": (value - 0.5) / (ceiling - 0.5)}
        known = {"val_mean_auroc": value} if val else {}
        return with_ends("mean_auroc", value, moved) | {"auroc": aurocs} | share | known

    systems = {"ensemble": entry(mean)} | ({"ceiling": limits} if limits else {})
    for place, (member, gain) in enumerate(gains.items()):
        below = mean - 0.1 + 0.05 * place
        systems |= {f"{member}.global": entry(below), f"{member}.fusion": entry(below + gain[0])}
    delta = {
        f"{member}.fusion - {member}.global": dict(
            zip(("mean_auroc", "low", "high"), gain, strict=False)
        )
        for member, gain in gains.items()
    }
    return systems | ({} if floor is None else {"metadata_only": entry(floor)}) | {
        "delta": delta,
        "test": {"images": images, "patients": patients},
        "excluded": [name for name in FINDINGS if name not in aurocs],
    }  # fmt: skip


def made_methods(lead=-0.1, ends=(-0.12, -0.08), *, bar="per_finding_box", n=500, maps=("cam",)):
    """metrics/methods.json: the last of `maps` leads the best box by `lead`, the others by less.

    Args:
        lead: of the best map.
        ends: of its interval; None without a bootstrap.
        bar: the baseline that leads are over.
        n: cases.
        maps: of the member `model`.
    """

    def mean(iou, its_ends=ends):
        within = None if ends is None else (iou - 0.02, iou + 0.02)
        led = with_ends("lead", iou - 0.25, its_ends)
        return {"mean": {"n": n} | with_ends("iou", iou, within) | led}

    zero = None if ends is None else (0.0, 0.0)
    worse = {name: mean(0.01 * place) for place, name in enumerate(maps[:-1])}
    beside = {"crop": mean(0.9), "grid_ceiling": mean(0.95), "cam_randomised": mean(0.99)}
    return {
        "model": worse | {maps[-1]: mean(0.25 + lead)} | beside,
        "baseline": {bar: mean(0.25, zero)},
    }
