"""Ensembles of backbones and of fitted models: blocks that fuse features, calibrations, ways to combine."""
