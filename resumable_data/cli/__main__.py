"""The command, as ``python -m resumable_data.cli``."""

from resumable_data.cli.command import main

if __name__ == "__main__":
    main()
