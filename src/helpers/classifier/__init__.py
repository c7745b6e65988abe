"""The diagnostic classifier: backbone and head, augmentation, training."""
