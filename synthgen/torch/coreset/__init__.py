"""Choosing a few rows of features that stand for all: greedily at once, or row by row at a fixed size."""
