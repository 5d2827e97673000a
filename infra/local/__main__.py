"""``python -m infra.local`` is the command ``dmp``."""

from infra.local.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
