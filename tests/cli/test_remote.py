"""An address such as s3://bucket/x is refused before any work is done."""

import pytest
from click.testing import CliRunner

from synthgen.cli import cli
from synthgen.errors import UsageError

# None of the files and folders is there: what is read or made first would be named in place of the address.
COMMANDS = {
    "pretrain": ["pretrain", "no-such-set", "--arch", "no-such-net"],
    "fit": ["fit", "padim", "--normal", "no-such-folder", "--backbone", "no-such-net"],
    "detect": ["detect", "no-such-model", "no-such-image.png"],
    "evaluate": ["evaluate", "no-such-model", "no-such-set"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("out", ["s3://bucket/x", "gs://b/model.safetensors", "https://host/x"])
def test_addresses_are_refused_first(command, out, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, [*COMMANDS[command], "--out", out], standalone_mode=False)
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith(f"--out must be a path on this machine, got {out}")
    assert list(tmp_path.iterdir()) == []
