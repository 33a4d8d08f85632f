"""The receiver that tests and `heliostat listen` stand on: over real sockets, with real signatures."""

from __future__ import annotations

import http.client
import json
import threading
import time

import pytest
import requests
from standardwebhooks.webhooks import Webhook

from heliostat.testing.receiver import Answer, Delivery, Receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"


def signed(body: str, identifier: str = "msg_1", secret: str = SECRET) -> dict[str, str]:
    """Headers as an independent implementation of Standard Webhooks makes them."""
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(identifier, now, body),
    }


def send(receiver: Receiver, body: str = "{}", **options: str) -> requests.Response:
    return requests.post(receiver.url, data=body, headers=signed(body, **options), timeout=5)


def test_what_arrived_is_remembered() -> None:
    with Receiver(secret=SECRET) as receiver:
        before = time.monotonic()
        assert requests.put(
            receiver.url + "a/path?x=1", data=b'{"type": "a"}', headers=signed('{"type": "a"}'), timeout=5
        ).ok
        (delivery,) = receiver.wait_for(1)
    assert (delivery.number, delivery.method, delivery.path) == (1, "PUT", "/a/path?x=1")
    assert (delivery.body, delivery.json, delivery.id) == (b'{"type": "a"}', {"type": "a"}, "msg_1")
    assert delivery.headers["WEBHOOK-ID"] == "msg_1"
    assert delivery.verified is True
    assert before <= delivery.seen_at <= time.monotonic()


def test_any_of_several_secrets_verifies_while_one_is_rotated() -> None:
    with Receiver(secret=[OTHER, SECRET]) as receiver:
        send(receiver)
        send(receiver, secret=OTHER)
        assert [delivery.verified for delivery in receiver.deliveries] == [True, True]


def test_a_wrong_signature_differs_from_none_and_from_one_that_nobody_checked() -> None:
    with Receiver(secret=SECRET) as receiver:
        send(receiver, secret=OTHER)
        requests.post(receiver.url, data="{}", timeout=5)
        wrong, missing = receiver.deliveries
    assert (wrong.verified, missing.verified) == (False, False)
    assert wrong.problem != missing.problem
    with Receiver() as receiver:
        send(receiver)
        assert receiver.deliveries[0].verified is None


def test_a_changed_body_is_not_verified() -> None:
    with Receiver(secret=SECRET) as receiver:
        requests.post(receiver.url, data='{"a": 2}', headers=signed('{"a": 1}'), timeout=5)
        assert receiver.deliveries[0].verified is False


def test_an_id_that_was_seen_before_is_counted() -> None:
    with Receiver() as receiver:
        for identifier in ("msg_1", "msg_2", "msg_1"):
            send(receiver, identifier=identifier)
        assert [delivery.times_seen for delivery in receiver.deliveries] == [1, 1, 2]


def test_answers_are_given_in_order_and_then_200() -> None:
    with Receiver(answers=[503, Answer(429, {"Retry-After": "7"}, b"slow down")]) as receiver:
        first, second, third = (send(receiver) for _ in range(3))
    assert (first.status_code, second.status_code, third.status_code) == (503, 429, 200)
    assert (second.headers["Retry-After"], second.text) == ("7", "slow down")


def test_answers_can_depend_on_what_arrived() -> None:
    def answer(delivery: Delivery) -> Answer:
        return Answer(410 if delivery.json.get("gone") else 204)

    with Receiver(answers=answer) as receiver:
        assert send(receiver, '{"gone": true}').status_code == 410
        assert send(receiver, "{}").status_code == 204


@pytest.mark.parametrize("answer", [Answer(drop=True), Answer(reset=True)])
def test_a_connection_can_be_closed_without_an_answer(answer: Answer) -> None:
    with Receiver(answers=[answer]) as receiver:
        with pytest.raises(requests.ConnectionError) as error:
            send(receiver)
        assert ("reset" in str(error.value)) is answer.reset
        assert send(receiver).status_code == 200
        assert len(receiver.deliveries) == 2


def test_an_answer_can_be_late_and_can_drip() -> None:
    with Receiver(answers=[Answer(delay=0.3), Answer(body=b"slowly", drip=0.1)]) as receiver:
        begin = time.monotonic()
        send(receiver)
        assert time.monotonic() - begin >= 0.3
        response = requests.post(receiver.url, data="{}", stream=True, timeout=5)
        first_byte = time.monotonic()
        assert response.content == b"slowly"
        assert time.monotonic() - first_byte >= 0.3


def test_waiting_ends_when_the_deliveries_are_there_or_with_a_clear_error() -> None:
    with Receiver() as receiver:
        threading.Timer(0.2, send, (receiver,)).start()
        assert len(receiver.wait_for(1, timeout=5)) == 1
        with pytest.raises(TimeoutError, match=r"1 of 2 deliveries arrived within 0\.1 s"):
            receiver.wait_for(2, timeout=0.1)


def test_connections_are_kept_and_closed_when_the_receiver_stops() -> None:
    with Receiver() as receiver:
        connection = http.client.HTTPConnection(receiver.host, receiver.port, timeout=5)
        for _ in range(3):
            connection.request("POST", "/", b"{}")
            assert connection.getresponse().read() == b""
            connected = connection.sock
            assert connected is not None
        begin = time.monotonic()
    assert connected.recv(1) == b""  # the other side hung up
    assert time.monotonic() - begin < 2
    connection.close()


def test_many_threads_may_send_at_once() -> None:
    with Receiver(secret=SECRET) as receiver:

        def sender(name: int) -> None:
            for number in range(10):
                send(receiver, json.dumps({"n": number}), identifier=f"{name}.{number}")

        threads = [threading.Thread(target=sender, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        deliveries = receiver.wait_for(80, timeout=20)
        for thread in threads:
            thread.join()
    assert len({delivery.id for delivery in deliveries}) == 80
    assert {delivery.number for delivery in deliveries} == set(range(1, 81))
    assert all(delivery.verified for delivery in deliveries)
