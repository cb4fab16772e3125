"""The inspected plate: what the camera sees of it, its brightness, and all that lies on it."""
