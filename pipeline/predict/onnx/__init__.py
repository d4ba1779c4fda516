"""A packaged model as one ONNX graph: from grey levels to calibrated probabilities.

```
images      uint8   (n, 1, image_side, image_side)   grey levels, air dark
age_years   float32 (n)     NaN where it is not known
gender      float32 (n)     1 for M, -1 for F, 0 or NaN where it is not known
view        float32 (n)     1 for AP, -1 for PA, 0 or NaN where it is not known
->
raw, probabilities, above   float32 (n, 14)     as `Finding` has them
shares      float32 (n, members, 14)            the probabilities with which members vote
crop_boxes  float64 (n, members, crops, 4)      xyxy, fractions of the image
distance    float32 (n)                         from the training images, as `Familiarity` has it
heatmaps.<member>.<method>  float32 (n, 14 or 1, h, w)
```

The members' crops are in it: a heatmap's region and its box, or its windows, and OpenCV's resizing
to the byte.

What is outside is said in the file's own metadata (`said_in_file.OUTSIDE`). A file has to be
decoded and resized first; thresholds are applied and warnings are given afterwards. Heatmaps that
take gradients, or many passes through the network, are left out.
"""
