"""Terminals of any encoding: names that they cannot show are printed as escapes, and the work is done."""

import json
import os
import subprocess
import sys

import pytest
from PIL import Image

SMALL = ["--classes", "2", "--per-class", "2", "--size", "16", "--points", "50", "--workers", "0"]
NAME = "Größe-図"
# Runs several commands in one process, each as `synthgen` would, and prints their exit statuses.
SCRIPT = """
import json, sys
from synthgen.__main__ import main
codes = []
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as end:
        codes.append(end.code)
print(codes)
"""
COMMANDS = [
    (["fractals", *SMALL, "--out", NAME, "--progress", "plain"], 0),
    (["fractals", *SMALL, "--out", NAME, "--json"], 0),
    (["info", NAME], 0),
    (["verify", NAME], 0),
    (["preview", NAME, "--out", f"{NAME}.png"], 0),
    (["render", NAME, "--label", "0", "--out", f"{NAME}.png", "--log", f"{NAME}.log"], 0),
    (["merge", f"{NAME}-merged", NAME], 0),
    (["info", f"{NAME}-none"], 1),
    (["run", NAME + ".yaml"], 2),
    (["run", NAME, "--set", f"{NAME}=1"], 2),
    (["detect", f"{NAME}.safetensors", ".", "--out", NAME], 2),
]


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_names_of_any_letters_are_printed(tmp_path, encoding):
    commands = json.dumps([words for words, _ in COMMANDS])
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, commands],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        encoding=encoding,
        errors="replace",  # click writes UTF-8 where it is told ASCII
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [code for _, code in COMMANDS], done.stderr
    with Image.open(tmp_path / f"{NAME}.png") as image:
        assert image.size == (16, 16)
    assert NAME in (tmp_path / f"{NAME}.log").read_text(encoding="utf-8")
