"""The REST API: webhooks and their deliveries. A project includes `heliostat.api.urls` in its `urls.py`."""
