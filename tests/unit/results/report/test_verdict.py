"""A verdict says what its intervals allow, and of what is missing nothing."""

from itertools import pairwise

import pytest
from made_metrics import GAIN, made_methods, made_metrics

from pipeline.results.localisation.box_baselines import BOX_BASELINES
from pipeline.results.localisation.methods import NOISE
from pipeline.results.report.verdict import WITHOUT_IMAGE, best_map, verdict

FOUR = {"Mass": 0.61, "Edema": 0.93, "Nodule": 0.58, "Hernia": 0.9, "Pleural_Thickening": 0.7}
UNKNOWN = {"model": (0.01,)}
APART, BELOW = (0.001, -0.002, 0.004), (-0.03, -0.04, -0.02)


def reached(*of, **other):
    return verdict(made_metrics(*of, **other), {})[0]


def best_and_worst(**other):
    return verdict(made_metrics(**other), {})[1]


def fusion(**gains):
    """What is said of fusion, of members with these gains."""
    return best_and_worst(gains=gains).partition("; ")[2]


def localised(*of, **other):
    return verdict(made_metrics(), made_methods(*of, **other))[2]


def test_the_first_sentence_goes_from_chance_to_the_ceiling():
    assert reached() == (
        "The ensemble reaches a mean AUROC of 0.800 (95 % interval 0.780 to 0.820) on 1,200 test "
        "images of 300 patients: 75 % of the way from chance to the best that anyone could reach "
        "here (0.900)."
    )


def test_one_image_of_one_patient_is_not_many():
    assert " on 1 test image of 1 patient:" in reached(images=1, patients=1)


def test_where_no_ceiling_is_known_the_floor_stands_beside_it():
    assert reached(ceiling=None).endswith(
        " patients, where age, gender and view alone reach 0.550 (0.530 to 0.570)."
    )
    assert reached(ends=None, ceiling=None).endswith(
        "of 0.800 on 1,200 test images of 300 patients, where age, gender and view alone reach "
        "0.550."
    )


def test_without_ceiling_and_floor_there_is_nothing_to_compare_with():
    assert reached(ceiling=None, floor=None).endswith(" on 1,200 test images of 300 patients.")


@pytest.mark.parametrize(
    ("mean", "ends", "said"),
    [
        (0.52, (0.49, 0.55), "which cannot be told apart from chance (0.5)"),
        (0.52, (0.5, 0.55), "which cannot be told apart from chance (0.5)"),
        (0.45, (0.42, 0.48), "which is below chance (0.5)"),
        (0.45, None, "which is not above chance (0.5)"),
    ],
)
def test_what_is_not_clear_of_chance_has_gone_no_part_of_the_way(mean, ends, said):
    assert reached(mean, ends).endswith(
        f" patients, {said}; the best that anyone could reach here is 0.900."
    )
    assert reached(mean, ends, ceiling=None).endswith(f" patients, {said}.")


def test_just_clear_of_chance_is_some_of_the_way():
    assert ": 5 % of the way from chance to " in reached(0.52, (0.501, 0.54))


def test_a_member_that_votes_alone_is_no_ensemble():
    alone = made_metrics(gains={"model": GAIN})
    assert verdict(alone, {})[0].startswith("The only member, model, reaches a mean AUROC of 0.8")
    of_a_file = alone | {"others_net": alone["ensemble"]}
    assert verdict(of_a_file, {})[0].startswith("The ensemble reaches ")


def test_two_findings_of_each_end_are_named_the_extreme_ones_first():
    said = best_and_worst(
        aurocs=FOUR | dict.fromkeys(["Fibrosis", "Effusion"], 0.75), gains=UNKNOWN
    )
    assert "AUROC is highest for Edema (0.93) and Hernia (0.90), and lowest for" in said
    assert said.endswith(" lowest for Nodule (0.58) and Mass (0.61).")


@pytest.mark.parametrize("count", range(2, 6))
def test_no_finding_is_among_the_highest_and_the_lowest(count):
    aurocs = dict(list(FOUR.items())[:count])
    said = best_and_worst(aurocs=aurocs, gains=UNKNOWN)
    named = [name.replace("_", " ") for name in aurocs if name.replace("_", " ") in said]
    assert len(named) == 2 * min(2, count // 2)
    assert all(said.count(f"{name} (0.") == 1 for name in named)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (["Hernia"], "Of 13 findings (Hernia has not both classes here), its AUROC is highest"),
        (
            ["Edema", "Pleural_Thickening", "Hernia"],
            "Of 11 findings (Edema, Pleural Thickening and Hernia have not both classes here), ",
        ),
        (["Edema", "Mass", "Nodule", "Hernia"], "Of 10 findings (4 others have not both classes"),
    ],
)
def test_findings_without_positives_are_said_to_be_left_out(missing, said):
    systems = made_metrics()
    aurocs = {name: 0.8 for name in systems["ensemble"]["auroc"] if name not in missing}
    assert best_and_worst(aurocs=aurocs).startswith(said)


def test_of_a_single_finding_there_is_no_best_and_no_worst():
    assert best_and_worst(aurocs={"Mass": 0.7}, gains=UNKNOWN) == (
        "The only finding that can be scored is Mass (0.70), as 13 others have not both classes "
        "here."
    )


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (GAIN, "fusion is above its global branch: +0.010 (+0.005 to +0.015)."),
        (BELOW, "fusion is below its global branch: -0.030 (-0.040 to -0.020)."),
        (
            APART,
            "fusion cannot be told apart from its global branch: +0.001 (-0.002 to +0.004).",
        ),
        ((0.01, 0.0, 0.02), "fusion cannot be told apart from its global branch: +0.010 (+0.0"),
        ((-0.01, -0.02, 0.0), "fusion cannot be told apart from its global branch: -0.010 (-0.0"),
    ],
)
def test_fusion_of_one_member_is_where_its_interval_is(gain, said):
    assert fusion(model=gain).startswith(said)


def test_fusion_of_several_members_is_counted():
    name = "its global branch in"
    assert fusion(a=GAIN, b=GAIN) == f"fusion is above {name} each of 2 members."
    assert fusion(a=BELOW, b=BELOW, c=BELOW) == f"fusion is below {name} each of 3 members."
    assert fusion(a=APART, b=APART) == f"fusion cannot be told apart from {name} any of 2 members."
    assert fusion(a=APART, b=GAIN, c=APART) == (
        f"fusion is above {name} 1 of 3 members and cannot be told apart from it in 2."
    )
    assert fusion(a=BELOW, b=GAIN, c=APART, d=GAIN) == (
        f"fusion is above {name} 2 of 4 members, is below it in 1 and cannot be told apart from "
        "it in 1."
    )


def test_the_local_branch_and_the_ensemble_are_no_fusion():
    systems = made_metrics(gains={"model": GAIN})
    others = dict(zip(("mean_auroc", "low", "high"), BELOW, strict=True))
    names = ("model.local - model.global", "ensemble - model.fusion")
    systems["delta"] |= dict.fromkeys(names, others)
    assert "fusion is above its global branch: +0.010" in verdict(systems, {})[1]


def test_without_a_bootstrap_nothing_is_above_and_nothing_below():
    systems = made_metrics(ends=None, gains={"model": (0.01,), "second": (-0.02,)})
    said = " ".join(verdict(systems, made_methods(ends=None)))
    assert said.startswith("The ensemble reaches a mean AUROC of 0.800 on 1,200 test images of ")
    assert not {"interval", "above", "below", "apart", "fusion", "None"} & set(said.split())
    assert said.endswith(
        " The only heatmap on 500 boxed cases, cam of model, has a mean IoU of 0.150, beside the "
        "0.250 of one box per finding that sees no image."
    )


@pytest.mark.parametrize(
    ("lead", "ends", "said"),
    [
        (
            -0.1,
            (-0.12, -0.08),
            "is below the 0.250 of one box per finding that sees no image: -0.",
        ),
        (0.1, (0.08, 0.12), "is above the 0.250 of one box per finding that sees no image: +0.1"),
        (0.01, (-0.02, 0.04), "cannot be told apart from the 0.250 of one box per finding that"),
        (0.01, (0.0, 0.04), "cannot be told apart from the 0.250 of one box per finding that"),
    ],
)
def test_the_best_heatmap_stands_where_the_interval_of_its_lead_is(lead, ends, said):
    found = localised(lead, ends)
    assert f", which {said}" in found
    assert found.endswith(f": {lead:+.3f} ({ends[0]:+.3f} to {ends[1]:+.3f}).")


def test_the_best_heatmap_is_named_as_on_the_page_and_among_how_many():
    said = localised(maps=("cam", "attention", "layercam_fine_fitted"))
    assert said.startswith(
        "The best of 3 heatmap variants on 500 boxed cases, layercam of model (finer layer, "
        "threshold fitted), has a mean IoU of 0.150 (0.130 to 0.170), which is below "
    )
    assert localised(n=1).startswith("The only heatmap on 1 boxed case, cam of model, has a mean")


def test_neither_crops_nor_controls_nor_baselines_are_the_best_heatmap():
    methods = made_methods(maps=("attention", "cam"))
    assert best_map(methods) == ("model", "cam")
    methods["second"] = {"cam": made_methods(lead=-0.05)["model"]["cam"]}
    assert best_map(methods) == ("second", "cam")


@pytest.mark.parametrize("name", [*BOX_BASELINES, NOISE])
def test_every_baseline_without_an_image_has_words(name):
    assert f" of {WITHOUT_IMAGE[name]} that sees no image: " in localised(bar=name)


def test_without_boxes_nothing_is_said_of_where_heatmaps_point():
    assert verdict(made_metrics(), {})[2] == (
        "No test image has a radiologist's box, so how well heatmaps localise is not known."
    )


def test_there_are_three_sentences_whatever_is_missing():
    cases = [
        (made_metrics(), made_methods()),
        (made_metrics(ceiling=None, floor=None, ends=None, gains={"model": (0.0,)}), {}),
        (made_metrics(aurocs={"Mass": 0.7}), made_methods(ends=None)),
    ]
    for systems, methods in cases:
        said = verdict(systems, methods)
        assert len(said) == 3
        assert all(one[0].isupper() and one[-1] == "." and "  " not in one for one in said)
    assert all(one != other for one, other in pairwise(verdict(*case)[0] for case in cases))
