"""Children of (f), which run with the Python of their own virtual environment."""
