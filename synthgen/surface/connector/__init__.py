"""Parts that rules hold for: a flat connector on black cloth, and a tray of screws and washers.

`plan` and `tray` know the rules: what a normal part is like, and how one rule is broken. They draw no pixels.
`plate` and `items` draw the parts, on `cloth` or in the tray; `draw` puts a picture together.
"""
