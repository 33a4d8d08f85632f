"""The REST API: hooks, and what they were told. A project includes `heliostat.api.urls` in its `urls.py`."""
