"""``python -m arcsecond`` is the command."""

from arcsecond.cli.main import main

if __name__ == "__main__":
    main()
