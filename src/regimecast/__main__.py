"""``python -m regimecast`` is the ``regimecast`` command."""

from regimecast.cli import main

main()
