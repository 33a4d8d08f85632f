"""A listener in the shape of the one of kinto-redis: a client made from settings with defaults, one list."""

from __future__ import annotations

import json

import redis

from heliostat.listeners import ListenerBase


def client_from(config, prefix):
    settings = config.get_settings()
    url, size = settings[prefix + "url"], settings.get(prefix + "pool_size")
    return redis.Redis.from_url(url, max_connections=int(size))


class Listener(ListenerBase):
    def __init__(self, client, listname, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.client = client
        self.listname = listname

    def __call__(self, event):
        self.client.lpush(self.listname, json.dumps(event.payload))


def load_from_config(config, prefix):
    settings = config.get_settings()
    settings.setdefault(prefix + "url", "redis://127.0.0.1:6379/0")
    settings.setdefault(prefix + "pool_size", 25)
    return Listener(client_from(config, prefix), settings.get(prefix + "listname", "events"))
