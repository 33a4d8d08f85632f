"""django-webhook2: a signal's receiver queues a Celery task for each hook after the commit."""

from __future__ import annotations

from django_webhook.models import Webhook, WebhookSecret, WebhookTopic, sync_topics

from benchmarks.models import save_one
from benchmarks.peers.queue import app
from benchmarks.peers.saving import saved
from benchmarks.work import clean


def save(hooks: int, saves: int) -> dict[str, float]:
    _clean(["http://127.0.0.1:9/"] * hooks)
    try:
        return saved(hooks, saves)
    finally:
        forget()


def fill(count: int, url: str) -> None:
    _clean([url])
    for index in range(count):
        save_one(index)


def work() -> None:
    """One process that sends, until it is terminated. Celery's other duties are turned off."""
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR")
    app.worker_main(["worker", "--pool", "prefork", "--concurrency", "1", *quiet])


def forget() -> None:
    """What is still queued."""
    with app.connection_for_write() as connection:
        connection.default_channel.queue_delete(app.conf.task_default_queue)


def _clean(urls: list[str]) -> None:
    clean()
    sync_topics()
    topic = WebhookTopic.objects.get(name="benchmarks.Vehicle/create")
    for url in urls:
        hook = Webhook.objects.create(url=url)
        hook.topics.add(topic)
        WebhookSecret.objects.create(webhook=hook, token="a secret of the benchmark")
