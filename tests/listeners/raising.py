"""It raises when it is imported."""

raise OSError("no network here")
