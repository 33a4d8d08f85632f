"""It imports what is not installed."""

import no_such_package_of_anybody.inner  # noqa: F401
