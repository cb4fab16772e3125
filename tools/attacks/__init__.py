"""The attacks of `tools/attack.py`, one module each."""
