"""What can draw: OpenCL devices of the system and of pip-installed runtimes, and Numba where there are none.

This is the one module that knows how OpenCL is found. `pyopencl` is imported on first use, because that first
import fixes the list of platforms for the life of the process.
"""

import ctypes
import functools
import importlib.metadata
import os
import shutil
import site
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthgen.errors import DeviceError
from synthgen.machine import DEVICE_VARIABLE

SYSTEM_VENDORS = Path("/etc/OpenCL/vendors")

# libintelocl.so needs these. It looks for them in the system's folders only, and does not name all of them.
_INTEL_HELPERS = (
    "libintlc.so.5",
    "libirng.so",
    "libimf.so",
    "libsvml.so",
    "libtbbmalloc.so.2",
    "libtbb.so.12",
)


@dataclass(frozen=True)
class Device:
    """One entry of `list_devices`.

    Attributes
    ----------
    index : int
        Place in the list; the first usable one is the default.
    name, platform, driver : str
        As the driver calls itself; for Numba its version.
    kind : {"gpu", "cpu", "numba"}
    usable : bool
    note : str
        Why not, where it is not usable.
    handle : pyopencl.Device or None
    """

    index: int
    name: str
    platform: str
    kind: str
    driver: str
    usable: bool = True
    note: str = ""
    handle: Any = field(default=None, repr=False, compare=False)

    @property
    def label(self) -> str:
        """Platform, name and driver version in one text: what a data set records."""
        return f"{self.platform} / {self.name} / {self.driver}"

    @property
    def search_text(self) -> str:
        """What a part of a name is looked up in: lower case, with PoCL under the name that everyone uses."""
        alias = "pocl" if self.platform == "Portable Computing Language" else ""
        return f"{self.name} {self.platform} {alias}".casefold()


def list_devices() -> list[Device]:
    """Return everything that can draw, best first: GPUs, Intel's CPU runtime, PoCL and other CPUs, Numba.

    Returns
    -------
    list of Device
        Never empty: Numba is always the last.
    """
    found = sorted(_opencl_devices(), key=_preference)
    listed = [_describe(index, handle) for index, handle in enumerate(found)]
    return [*listed, _numba(len(listed))]


def choose_device(device: "str | int | Device | None" = None) -> Device:
    """Return the device that was asked for, or the first usable one.

    Parameters
    ----------
    device : str, int or Device, optional
        An index into `list_devices`, or a part of a device's or platform's name, in any case: "numba",
        "pocl". Default: the environment variable ``SYNTHGEN_DEVICE``, else the first usable device.

    Raises
    ------
    DeviceError
        If nothing matches, or what matches is not usable.
    """
    if isinstance(device, Device):
        return device
    if device is None:
        device = os.environ.get(DEVICE_VARIABLE, "")
    wanted = str(device).strip()

    listed = list_devices()
    matches = _matching(wanted, listed) if wanted else listed
    for entry in matches:
        if entry.usable:
            return entry

    if matches:
        first = matches[0]
        raise DeviceError(f"device must be a usable one, got {wanted!r}: {first.label} is not usable: {first.note}")
    known = "; ".join(f"{entry.index}: {entry.name} ({entry.platform})" for entry in listed)
    raise DeviceError(f"device must be an index or a part of a name, got {wanted!r}; there are {known}")


def _matching(wanted: str, listed: list[Device]) -> list[Device]:
    """Return the devices of an index, or else those whose names have a text in them."""
    by_index = [entry for entry in listed if wanted == str(entry.index)]
    by_name = [entry for entry in listed if wanted.casefold() in entry.search_text]
    return by_index or by_name


def load_pyopencl():
    """Return pyopencl, imported with the pip-installed Intel CPU runtime among its platforms.

    Returns
    -------
    module

    Raises
    ------
    DeviceError
        If pyopencl is not installed, or was started before this process was forked.
    """
    module, process = _import_pyopencl()
    if process != os.getpid():
        raise DeviceError(
            "OpenCL was started before this process was forked, and does not live in both: start workers "
            "with the 'spawn' or 'forkserver' method, or draw in the parent only"
        )
    return module


@functools.cache
def _import_pyopencl():
    with tempfile.TemporaryDirectory(prefix="synthgen-icd-") as folder:
        before = os.environ.get("OCL_ICD_VENDORS")

        if _collect_vendors(Path(folder), before):
            os.environ["OCL_ICD_VENDORS"] = folder
        try:
            import pyopencl

            _platforms(pyopencl)  # the loader reads the folder on the first call, and never again
        except ImportError as error:
            raise DeviceError(f"pyopencl cannot be imported ({error}): pip install pyopencl") from error
        finally:
            if before is None:
                os.environ.pop("OCL_ICD_VENDORS", None)
            else:
                os.environ["OCL_ICD_VENDORS"] = before
    return pyopencl, os.getpid()


def _platforms(pyopencl) -> list:
    try:
        return pyopencl.get_platforms()
    except pyopencl.Error:  # "PLATFORM_NOT_FOUND_KHR": no platform at all
        return []


def _collect_vendors(folder: Path, configured: str | None) -> bool:
    """Fill a folder with the system's .icd files and one for Intel's runtime. False: nothing to add."""
    library = _intel_library()
    if library is None or not _preload(library.parent):
        return False

    vendors = Path(configured) if configured else SYSTEM_VENDORS
    listed = vendors.glob("*.icd") if vendors.is_dir() else []
    for path in listed:
        shutil.copy(path, folder)

    (folder / "synthgen-intel-cpu.icd").write_text(f"{library}\n")
    return True


def _intel_library() -> Path | None:
    for root in (sys.prefix, site.getuserbase()):
        library = Path(root) / "lib" / "libintelocl.so"
        if library.is_file():
            return library.resolve()
    return None


def _preload(folder: Path) -> bool:
    try:
        for name in _INTEL_HELPERS:
            ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return False
    return True


@functools.cache
def _opencl_devices() -> tuple:
    try:
        pyopencl = load_pyopencl()
    except DeviceError:
        return ()

    handles = []
    for platform in _platforms(pyopencl):
        try:
            handles += platform.get_devices()
        except pyopencl.Error:  # a platform without a device
            continue

    kinds = pyopencl.device_type.GPU | pyopencl.device_type.CPU
    return tuple(handle for handle in handles if handle.type & kinds)


def _kind(handle) -> str:
    return "gpu" if handle.type & load_pyopencl().device_type.GPU else "cpu"


def _preference(handle) -> tuple[int, str, str]:
    platform = handle.platform.name
    if _kind(handle) == "gpu":
        rank = 0
    elif platform.startswith("Intel"):
        rank = 1
    else:
        rank = 2
    return rank, platform, handle.name


def _describe(index: int, handle) -> Device:
    note = ""
    if not handle.available:
        note = "the driver says that it is not available"
    elif not handle.compiler_available:
        note = "the driver has no compiler"

    return Device(
        index=index,
        name=handle.name.strip(),
        platform=handle.platform.name.strip(),
        kind=_kind(handle),
        driver=handle.driver_version.strip(),
        usable=not note,
        note=note,
        handle=handle,
    )


def _numba(index: int) -> Device:
    version = importlib.metadata.version("numba")
    return Device(index=index, name="numba", platform="Numba", kind="numba", driver=version)
