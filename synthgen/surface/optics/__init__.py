"""How metal looks: its streaks, the lights that it mirrors, and the camera."""
