"""A synthetic cohort of frontal chest radiographs with a known answer.

`population` says who has what, `labels` what the text mining makes of it, `anatomy` and `tissue`
build a chest, `signatures` lets a finding show, `render` takes the picture, `cohort` makes all.

Frame of the drawing: **chest units** on a canvas a little larger than the image. x runs to the
image's right (the patient's left) from the spine at 0, y runs down from the hila at about -0.1;
the image is 2.2 units wide and high. As on any radiograph bright is dense.
"""
