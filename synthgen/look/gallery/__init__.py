"""Galleries: a data set as a page that opens from a file, for people who have neither the data nor Python.

>>> from synthgen.look.gallery import gallery
"""

from synthgen.look.gallery.making import GalleryReport, gallery

__all__ = ["GalleryReport", "gallery"]
