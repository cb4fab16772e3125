"""The command ``synthgen``, also as ``python -m synthgen``."""

from synthgen.process import prepare


def main() -> None:
    """Run the command line; signals are answered while it is still being imported."""
    prepare()
    from synthgen.cli import main as run

    run()


if __name__ == "__main__":
    main()
