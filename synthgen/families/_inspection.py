"""What families of inspected things declare alike: layouts, lights, and what a camera does."""

from typing import Annotated, Literal

from msgspec import Meta

Layout = Literal["train", "test"]
Light = Literal["ring", "ring-rotated", "ring-large", "random"]
Blur = Annotated[
    float,
    Meta(ge=0, le=20, description="Lens blur, standard deviation in pixels; masks grow with it."),
]
SensorNoise = Annotated[
    float,
    Meta(ge=0, le=64, description="Sensor noise of a white pixel, standard deviation in gray levels."),
]
