"""``python -m unidad``."""

from unidad.cli import main

raise SystemExit(main())
