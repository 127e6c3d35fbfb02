"""Market regimes: five labels, each known at the close of its bar."""
