"""`make compat`: the test suites of other projects, without Heliostat and with it."""
