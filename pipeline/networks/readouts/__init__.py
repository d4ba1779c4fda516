"""What makes logits of a backbone's feature maps: means of evidence, and capsules."""
