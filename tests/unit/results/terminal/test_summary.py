"""The whole table: every system, and every heatmap of the member under study."""

from made_metrics import GAIN, made_methods, made_metrics

from pipeline.results.terminal.summary import summarise

WHOLE = """\
1,200 test images of 300 patients             mean AUROC  95 % interval     of ceiling
  ceiling                                     0.900
  ensemble                                    0.800       0.780 to 0.820    75.0%
  model.fusion                                0.710       0.690 to 0.730    52.5%
  model.global                                0.700       0.680 to 0.720    50.0%
  metadata_only                               0.550       0.530 to 0.570    12.5%

against the radiologists' boxes               mean IoU    95 % interval     lead over boxes without an image
  model.crop                                  0.900       0.880 to 0.920    +0.650 (-0.120 to -0.080)
  baseline.centre_box                         0.250       0.230 to 0.270    +0.000 (+0.000 to +0.000)
  model.cam                                   0.150       0.130 to 0.170    -0.100 (-0.120 to -0.080)
  model.attention                             0.000       -0.020 to 0.020    -0.250 (-0.120 to -0.080)

Look next:
  report/index.html                                  the whole run on one page
  dvc metrics show                                   the figures (dvc metrics diff: against HEAD)
  mlflow ui                                          runs and learning curves"""  # noqa: E501


def test_the_whole_table_has_all_systems_and_all_heatmaps_the_best_first():
    methods = made_methods(bar="centre_box", maps=("attention", "cam"))
    assert summarise(made_metrics(gains={"model": GAIN}), methods, runs="mlflow ui") == WHOLE
