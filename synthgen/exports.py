"""What an export may be asked for: targets and options, known without loading what writes them."""

from typing import Annotated, Literal

import msgspec

Meta = msgspec.Meta

# What `truth` may be, beside the name of a field: see `synthgen.layouts.defects`.
DEFECTS = "defects"
ALL = "all"

# Target -> the module of `synthgen.layouts` that writes it, and for whom.
TARGETS = {
    "imagefolder": ("imagefolder", "torchvision's ImageFolder, timm"),
    "mvtec": ("mvtec", "anomalib, patchcore-inspection and all else that reads MVTec AD"),
    "mvtec-loco": ("loco", "anomalib, and what else reads MVTec LOCO AD"),
    "anomalib-folder": ("plain", "anomalib's Folder, with a configuration"),
    "coco": ("coco", "pycocotools, torchvision, Detectron, RF-DETR, FiftyOne, LightlyStudio"),
    "yolo-seg": ("yolo", "ultralytics"),
    "hf": ("huggingface", "Hugging Face datasets and the Hub"),
    "anomalygen": ("anomalygen", "NVIDIA's AnomalyGen"),
    "visa": ("visa", "readers of VisA"),
}


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of exports; see the annotations. A target uses those that mean something to it."""

    split: Annotated[
        str | None,
        Meta(description="Splits and their shares of each class, such as train=0.8,val=0.1,test=0.1."),
    ] = None
    limit: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Take the first N images of each class.")
    ] = None
    classes: Annotated[tuple[str, ...], Meta(description="Take these classes only, by name or number.")] = ()
    image: Annotated[
        Literal["stored", "png", "jpg"],
        Meta(description="stored: copy the encoded bytes, never decode them. png, jpg: encode anew."),
    ] = "stored"
    rgb: Annotated[
        bool, Meta(description="Write three channels, for readers that take gray or palette images amiss.")
    ] = False
    truth: Annotated[
        str,
        Meta(
            description="Which pixels are the defect. defects: the field named as the class, else mask, else "
            "instances. all: also stains and other things that are no defects. Or the name of a field."
        ),
    ] = DEFECTS
    category: Annotated[
        str | None, Meta(description="What the images show: a folder's name in MVTec AD, LOCO and VisA.")
    ] = None
    square: Annotated[
        Literal["off", "pad", "crop"],
        Meta(
            description="Make images and masks square, for patchcore-inspection, which crops the middle of others "
            "(not coco, yolo-seg, hf)."
        ),
    ] = "off"
    labels: Annotated[
        Literal["auto", "kind", "source", "class"],
        Meta(description="What the category of an object is (coco, yolo-seg)."),
    ] = "auto"
    polygons: Annotated[
        bool, Meta(description="Outlines in place of run lengths (coco), for tools that refuse those.")
    ] = False
    min_pixels: Annotated[
        int, Meta(ge=1, description="Leave out objects with fewer visible pixels (coco, yolo-seg).")
    ] = 1
    flavour: Annotated[
        Literal["plain", "roboflow"],
        Meta(description="roboflow: annotations beside the images, as RF-DETR finds them (coco)."),
    ] = "plain"
    shards: Annotated[bool, Meta(description="Copy the tar shards themselves, with a card (hf).")] = False
