"""Consume a Redis stream: read, heartbeat, retry, take over, dead letters. Nothing here needs Django."""
