"""`make bench`: a table of figures beside the goals, all measured in one run on this machine."""
