"""The command, as ``python -m resumable_data``."""

from resumable_data.cli import main

if __name__ == "__main__":
    main()
