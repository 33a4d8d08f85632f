"""Message queues as subscribers: events are published as CloudEvents, and consumed in any language."""
