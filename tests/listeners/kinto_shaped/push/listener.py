"""The listener of the package: its channel is filled in with the payload of the event."""

from __future__ import annotations

import re

from heliostat.listeners import ListenerBase


class Listener(ListenerBase):
    def __init__(self, channel, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.channel = channel

    def __call__(self, event):
        try:
            channel = self.channel.format(**event.payload)
        except KeyError:
            return
        channel = re.sub("[^a-zA-Z0-9_\\-]", "", channel)
        event.request.registry.pusher.trigger(channel, event.payload["action"], event.impacted_records)


def load_from_config(config, prefix=""):
    settings = config.get_settings()
    return Listener(settings.get("event_listeners.pusher.channel", "{bucket_id}-{collection_id}-{resource_name}"))
