"""``python -m plainfilm`` is the command ``plainfilm``."""

from plainfilm.cli.main import main

if __name__ == "__main__":
    main()
