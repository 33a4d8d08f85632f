"""`make bench`: a table of figures, all measured in one run on this machine."""
