"""OpenCL C sources, built at run time; read with ``importlib.resources``."""
