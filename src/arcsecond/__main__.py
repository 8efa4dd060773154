"""``python -m arcsecond`` is the command."""

from arcsecond.entry import main

if __name__ == "__main__":
    main()
