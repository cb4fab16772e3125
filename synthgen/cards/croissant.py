"""Croissant 1.1 with its vocabulary of responsible AI: what a data set is, for machines.

Source: the Croissant format specification 1.1 and Croissant RAI 1.0 of MLCommons. Two things are left out since
mlcroissant 1.1.1 cannot read them: references on a field with a transform, and a second set of records that refers
to the samples.
"""

import re

from synthgen.cards.details import FREE, UNKNOWN, Details, license_of, texts_of
from synthgen.machine import counted
from synthgen.shards.codecs import is_picture
from synthgen.shards.manifest import CLASSES, SHARDS, Manifest
from synthgen.shards.webdataset import members
from synthgen.version import __version__

_CROISSANT = "http://mlcommons.org/croissant/1.1"
_RAI = "http://mlcommons.org/croissant/RAI/1.0"
_TAR = "application/x-tar"
_HDF5 = "application/x-hdf5"
_ENCODINGS = {"png": "image/png", "jpg": "image/jpeg", "raw": "application/octet-stream"}
_KEY = r"^(c\d+-i\d+)\."
_LABEL = r"^c(\d+)-"
# What follows the summary in a description.
_COUNTS = re.compile(r" [0-9,]+ images?, [0-9,]+ class(es)?\.\Z")
_LICENSES = {
    "cc0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "cc-by-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "cc-by-sa-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "cc-by-nc-4.0": "https://creativecommons.org/licenses/by-nc/4.0/",
}
_NATURE = {
    "dataCollection": "collection",
    "dataLimitations": "limitations",
    "dataBiases": "biases",
    "personalSensitiveInformation": "sensitive",
    "dataUseCases": "uses",
    "dataSocialImpact": "impact",
}
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "prov": "http://www.w3.org/ns/prov#",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant_of(manifest: Manifest, class_bytes: int, details: Details, count: int) -> dict:
    """Return the description of a data set as JSON-LD.

    Parameters
    ----------
    manifest : Manifest
    class_bytes : int
        Size of the class table.
    details : Details
    count : int
        Samples that are published.
    """
    license_name = license_of(manifest, details)
    texts = {**texts_of(manifest.recipe["family"]), **details.texts}
    is_tar = manifest.storage == "webdataset"
    images = counted(count, "image")
    classes = counted(manifest.classes, "class", "classes")
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [_CROISSANT, _RAI],
        "name": manifest.recipe["name"],
        "description": f"{texts['summary']} {images}, {classes}.",
        "version": "1.0.0",
        "license": _LICENSES.get(license_name, license_name),
        "url": details.url or f"urn:sha256:{manifest.fingerprints.data}",
        "citeAs": f"{manifest.recipe['name']}, drawn by synthgen {__version__}",
        "isLiveDataset": False,
        "keywords": ["synthetic", "synthgen", manifest.recipe["family"]],
        **({"creator": {"@type": "sc:Organization", "name": details.creator}} if details.creator else {}),
        **({"datePublished": details.date} if details.date else {}),
        **_nature(manifest, texts),
        "distribution": [*_files(manifest, class_bytes), *(_sets(manifest) if is_tar else [])],
        "recordSet": [_classes(), *([_samples(manifest)] if is_tar else [])],
    }
    return described


def details_in(described: dict) -> Details:
    """Return what a publisher said, of a description that `croissant_of` made."""
    names = {address: name for name, address in _LICENSES.items()}
    license_name = described["license"]
    license_name = names.get(license_name, license_name)
    url = described["url"]
    family = described["keywords"][-1]

    own = texts_of(family)
    said = {text: described[f"rai:{name}"] for name, text in _NATURE.items()}
    said["summary"] = _COUNTS.sub("", described["description"])
    texts = {name: text for name, text in said.items() if text != own[name]}
    return Details(
        license=None if license_name in (FREE, UNKNOWN) else license_name,
        creator=described.get("creator", {}).get("name"),
        url=None if url.startswith("urn:") else url,
        date=described.get("datePublished"),
        texts=texts,
    )


def _nature(manifest: Manifest, texts: dict[str, str]) -> dict:
    """Return what responsible AI asks for, and where the data comes from."""
    said = {f"rai:{name}": texts[text] for name, text in _NATURE.items()}
    maker = (
        f"synthgen {__version__}, recipe {manifest.recipe['name']}, data fingerprint {manifest.fingerprints.data}"
    )
    return {
        **said,
        "rai:dataCollectionType": "Synthetic data, drawn by a program",
        "rai:hasSyntheticData": True,
        "prov:wasGeneratedBy": maker,
    }


def _files(manifest: Manifest, class_bytes: int) -> list[dict]:
    table = {
        "@type": "cr:FileObject",
        "@id": CLASSES,
        "name": CLASSES,
        "contentUrl": CLASSES,
        "contentSize": f"{class_bytes} B",
        "encodingFormat": "application/jsonlines",
        "sha256": manifest.classes_sha256,
    }
    encoding = _TAR if manifest.storage == "webdataset" else _HDF5
    shards = [
        {
            "@type": "cr:FileObject",
            "@id": entry.name,
            "name": entry.name,
            "contentUrl": f"{SHARDS}/{entry.name}",
            "contentSize": f"{entry.bytes} B",
            "encodingFormat": encoding,
            "sha256": entry.sha256,
        }
        for entry in manifest.shard_list
    ]
    return [table, *shards]


def _sets(manifest: Manifest) -> list[dict]:
    """Return the files of each field in the archives; ``*.png`` alone would take the masks for images."""
    shards = [{"@id": entry.name} for entry in manifest.shard_list]
    sets = []
    for name, member in _columns(manifest).items():
        pattern = f"*[0-9].{member}" if name == "image" else f"*.{member}"
        sets.append(
            {
                "@type": "cr:FileSet",
                "@id": f"{name}-files",
                "name": f"{name}-files",
                "containedIn": shards,
                "encodingFormat": _ENCODINGS[member.rpartition(".")[2]],
                "includes": pattern,
            }
        )
    return sets


def _columns(manifest: Manifest) -> dict[str, str]:
    """Return the fields that are pixels, with the endings of their members."""
    found = members(manifest.fields)
    return {name: found[name] for name, entry in manifest.fields.items() if entry.codec != "npy"}


def _classes() -> dict:
    def column(name: str, kind: str) -> dict:
        source = {"fileObject": {"@id": CLASSES}, "extract": {"column": name}}
        return {
            "@type": "cr:Field",
            "@id": f"classes/{name}",
            "name": f"classes/{name}",
            "dataType": kind,
            "source": source,
        }

    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "dataType": "sc:Enumeration",
        "key": {"@id": "classes/id"},
        "field": [column("id", "sc:Integer"), column("name", "sc:Text")],
    }


def _samples(manifest: Manifest) -> dict:
    """Return the records of the samples. Each field is joined to the others by the key in its file's name."""
    image = "image-files"

    def field(name: str, kind: str, files: str, extract: dict, regex: str | None = None) -> dict:
        source: dict = {"fileSet": {"@id": files}, "extract": extract}
        if regex:
            source["transform"] = {"regex": regex}
        place = f"samples/{name}"
        return {"@type": "cr:Field", "@id": place, "name": place, "dataType": kind, "source": source}

    fields = [
        field("key", "sc:Text", image, {"fileProperty": "filename"}, _KEY),
        field("label", "sc:Integer", image, {"fileProperty": "filename"}, _LABEL),
    ]
    # Readers of the description decode pictures only.
    if is_picture(manifest.fields["image"].codec):
        fields.insert(1, field("image", "sc:ImageObject", image, {"fileProperty": "content"}))
    return {
        "@type": "cr:RecordSet",
        "@id": "samples",
        "name": "samples",
        "key": {"@id": "samples/key"},
        "field": fields,
    }
