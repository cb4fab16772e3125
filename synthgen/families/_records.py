"""The record of one object in ``params["objects"]``: the same keys in all families (see FORMAT.md)."""


def new_record(number: int, kind: str, params: dict) -> dict:
    """Return the record of an object before it is drawn: what is measured while drawing is None.

    Parameters
    ----------
    number : int
        Its id, from 1.
    kind : str
        A word: fractal, blob ..
    params : dict
        All that the renderer needs to draw the object again.
    """
    return {
        "id": number,
        "kind": kind,
        "box": None,
        "area": None,
        "visible_area": None,
        "center": None,
        "params": params,
    }
