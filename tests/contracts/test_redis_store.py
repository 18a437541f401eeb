"""What the Redis store does beyond the contract: URLs, credentials, outages, lost answers, keys."""

from __future__ import annotations

import select
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

import pytest
import redis
from made import ACME, made, only_r1_is_corrupt

from argotune.adapters import redis as redis_store
from argotune.adapters.redis import Address, RedisStore, parse_address
from argotune.errors import AccessDenied, ArgotuneError, ConfigInvalid, Corrupt, Unavailable
from argotune.store.collections import EVERYONE
from argotune.store.port import Store
from argotune.store.sealing import tag_of

SECRET = "s3cret/pa#ss"
ESCAPED = "s3cret%2Fpa%23ss"


def _all_text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


@pytest.mark.redis
def test_a_stopped_redis_is_unavailable_and_a_restarted_one_is_found_again(
    new_redis: Callable, reading: Sequence[Callable[[Store], object]], writing: Sequence[Callable[[Store], object]]
) -> None:
    server = new_redis("--requirepass", SECRET)
    with closing(RedisStore.from_url(f"redis://:{ESCAPED}@127.0.0.1:{server.port}/3", timeout_s=2)) as store:
        store.write(ACME, [made("r1")])
        server.stop()
        for call in (*reading, *writing):
            with pytest.raises(Unavailable, match=f"127.0.0.1:{server.port}") as caught:
                call(store)
            assert "s3cret" not in _all_text(caught.value)
        server.start()
        for call in (*reading, *writing):
            call(store)
        server.stop()
        server.start()
        store.write(ACME, [made("first after a restart")], {("runs", "first after a restart"): None})


@pytest.mark.redis
@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("", "certificate is not trusted"),
        ("?ssl_ca_certs={0.authority}", "(?i)certificate.required|EOF|reset|closed"),
        ("?ssl_ca_certs=/nowhere.pem", "No such file"),
    ],
)
def test_a_certificate_that_is_not_trusted_ends_the_call(tls_redis, certificates, query: str, why: str) -> None:
    url = f"rediss://127.0.0.1:{tls_redis.tls_port}/0{query.format(certificates)}"
    with closing(RedisStore.from_url(url)) as store, pytest.raises((ConfigInvalid, Unavailable), match=why):
        store.read(ACME, "runs", "r1")


@pytest.mark.redis
def test_a_client_without_tls_is_not_answered(tls_redis) -> None:
    url = f"redis://127.0.0.1:{tls_redis.tls_port}"
    with closing(RedisStore.from_url(url, timeout_s=2)) as store, pytest.raises(Unavailable):
        store.read(ACME, "runs", "r1")


@pytest.mark.redis
@pytest.mark.parametrize("credentials", ["", ":s3cret-wrong@", "nobody:s3cret@", "reader:s3cret@"])
@pytest.mark.parametrize("query", ["", "?cluster=true"])
def test_redis_refusing_us_is_access_denied(new_redis: Callable, credentials: str, query: str) -> None:
    reader = ["--user", "reader", "on", ">s3cret", "~argotune:*", "-@all", "+hget"]
    server = new_redis("--requirepass", SECRET, *reader)
    with pytest.raises(AccessDenied, match="CONFIG_STORE_URL") as caught:
        RedisStore.from_url(f"redis://{credentials}127.0.0.1:{server.port}{query}").write(ACME, [made("r1")])
    assert "s3cret" not in _all_text(caught.value)


@pytest.mark.redis
def test_a_server_that_repeats_the_password_does_not_make_us_repeat_it(new_redis: Callable) -> None:
    server = new_redis("--rename-command", "AUTH", "")
    for query in ("", "?cluster=true"):
        with pytest.raises(ArgotuneError, match="unknown command") as caught:
            RedisStore.from_url(f"redis://:{ESCAPED}@127.0.0.1:{server.port}{query}").read(ACME, "runs", "r1")
        assert "s3cret" not in _all_text(caught.value)


@contextmanager
def losing_proxy(port: int, lost: str) -> Iterator[tuple[int, threading.Event]]:
    """A port that leads to Redis. When the event is set, the next question or answer is lost with its connection."""
    lose = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, port, lost, lose))
        thread.start()
        try:
            yield listener.getsockname()[1], lose
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, port: int, lost: str, lose: threading.Event) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            _pass_on(client, server, client if lost == "question" else server, lose)


def _pass_on(client: socket.socket, server: socket.socket, loser: socket.socket, lose: threading.Event) -> None:
    while True:
        for side in select.select([client, server], [], [])[0]:
            data = side.recv(65536)
            if not data or (side is loser and lose.is_set()):
                lose.clear()
                return
            (server if side is client else client).sendall(data)


@pytest.mark.redis
@pytest.mark.parametrize("lost", ["question", "answer"])
def test_a_call_that_was_lost_is_repeated_only_where_that_changes_nothing(redis_server, lost: str) -> None:
    redis_server.call("FLUSHALL")
    with ExitStack() as stack:
        port, lose = stack.enter_context(losing_proxy(redis_server.port, lost))
        store = stack.enter_context(closing(RedisStore.from_url(f"redis://127.0.0.1:{port}")))
        store.write(ACME, [made("r1")])
        for call, answer in (
            (lambda: store.read(ACME, "runs", "r1"), made("r1").text),
            (lambda: list(store.scan(ACME, "runs")), [made("r1")]),
            (lambda: store.write(ACME, [made("r2")]), None),
            (lambda: store.read(ACME, "runs", "r2"), made("r2").text),
            (lambda: store.write(ACME, [made("r3")], {("runs", "r1"): tag_of(made("r1").text)}), None),
            (lambda: store.hold(ACME, "routing", "me", 60), True),
            (lambda: store.renew(ACME, "routing", "me", 60), True),
            (lambda: store.holder(ACME, "routing"), "me"),
            (lambda: store.let_go(ACME, "routing", "me"), None),
        ):
            lose.set()
            assert call() == answer
            assert not lose.is_set()
        lose.set()
        with pytest.raises(Unavailable):
            store.write(ACME, [made("p")], {("runs", "p"): None})
        assert store.read(ACME, "runs", "p") == (None if lost == "question" else made("p").text)


@pytest.mark.redis
def test_a_scan_names_no_id_twice_while_the_collection_shrinks(redis_server, monkeypatch) -> None:
    redis_server.call("FLUSHALL")
    monkeypatch.setattr(redis_store, "PAGE_BYTES", 1_000)
    shrink = "for _ = 1, 2000 do redis.call('HGET', KEYS[1], 'r0') end"  # each look moves a bit of the hash
    with closing(RedisStore.from_url(redis_server.url)) as store:
        for turn in range(12):
            store.write(ACME, [made(f"r{n}") for n in range(1_000)])
            seen = []
            for record in store.scan(ACME, "runs"):
                seen.append(record.id)
                if len(seen) == 40 + 10 * turn:
                    store.remove(ACME, "runs", [f"r{n}" for n in range(99, 1_000)])
                    redis_server.call("EVAL", shrink, 1, "argotune:{acme_corp}:runs")
            assert len(seen) == len(set(seen))
            assert set(seen) >= {f"r{n}" for n in range(99)}
            store.remove(ACME, "runs")


@pytest.mark.redis
@pytest.mark.parametrize("trouble", [("CONFIG", "SET", "maxmemory", 1), ("REPLICAOF", "127.0.0.1", 1)])
def test_a_full_or_read_only_redis_is_unavailable_for_writing(new_redis: Callable, trouble: tuple) -> None:
    server = new_redis()
    with closing(RedisStore.from_url(server.url)) as store:
        store.write(ACME, [made("r1")])
        server.call(*trouble)
        for expect in (None, {("runs", "r1"): tag_of(made("r1").text)}):
            with pytest.raises(Unavailable):
                store.write(ACME, [made("r1", 2), made("r2")], expect)
        assert list(store.scan(ACME, "runs")) == [made("r1")]


@pytest.mark.redis
def test_a_redis_that_does_not_answer_in_time_is_unavailable(new_redis: Callable) -> None:
    server = new_redis("--enable-debug-command", "yes")
    with closing(RedisStore.from_url(server.url, timeout_s=0.3)) as store:
        sleeper = threading.Thread(target=server.call, args=("DEBUG", "SLEEP", "1.5"))
        sleeper.start()
        time.sleep(0.2)
        with pytest.raises(Unavailable):
            store.read(ACME, "runs", "r1")
        sleeper.join()
        assert store.read(ACME, "runs", "r1") is None


@pytest.mark.redis
def test_a_key_of_another_type_is_corrupt_and_nothing_is_stored(new_redis: Callable) -> None:
    server = new_redis()
    server.call("SET", "argotune:{acme_corp}:markers", "text")
    with closing(RedisStore.from_url(server.url)) as store:
        with pytest.raises(Corrupt):
            store.write(ACME, [made("r1"), made("r1", 1, "markers")])
        assert list(store.scan(ACME, "runs")) == []


@pytest.mark.redis
def test_redis_says_when_the_url_is_wrong_about_the_cluster(redis_server, redis_cluster) -> None:
    with pytest.raises(ConfigInvalid, match="leave out the cluster option"):
        RedisStore.from_url(redis_server.url + "?cluster=true")
    stores = [RedisStore.from_url(node.url) for node in redis_cluster]
    with pytest.raises(ConfigInvalid, match="cluster=true"):
        [store.read(ACME, "runs", "r1") for store in stores]  # one of them has the slot
    for store in stores:
        store.close()


@pytest.mark.redis
def test_a_database_that_redis_does_not_have_is_a_wrong_url(redis_server) -> None:
    with (
        closing(RedisStore.from_url(redis_server.url + "999")) as store,
        pytest.raises(ConfigInvalid, match="database"),
    ):
        store.read(ACME, "runs", "r1")


@pytest.mark.redis
def test_keys_of_a_tenant_lie_in_one_slot_under_one_prefix(new_redis: Callable) -> None:
    server = new_redis()
    with closing(RedisStore.from_url(server.url)) as store:
        store.write("a}b:{*", [made("r1"), made("r1", 1, "examples.modality.video")])
        store.hold("a}b:{*", "run/x y", "me", 60)
        store.write(EVERYONE, [made("t", 1, "tenants")])
    prefix = "argotune:{a%7Db%3A%7B%2A}:"
    names = ["runs", "examples.modality.video", "lease:run%2Fx%20y"]
    assert set(server.call("KEYS", "*")) == {*(prefix + name for name in names), "argotune:{*}:tenants"}


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://h", Address("h", 6379, 0, None, None, False, {"ssl": False})),
        ("redis://u:p%40%2F@h:7000/5", Address("h", 7000, 5, "u", "p@/", False, {"ssl": False})),
        ("rediss://:p@[::1]:7/", Address("::1", 7, 0, None, "p", False, {"ssl": True})),
        ("redis://h?cluster=true", Address("h", 6379, 0, None, None, True, {"ssl": False})),
        ("redis+cluster://h:1", Address("h", 1, 0, None, None, True, {"ssl": False})),
        (
            "rediss+cluster://h?ssl_ca_certs=/ca.pem",
            Address("h", 6379, 0, None, None, True, {"ssl": True, "ssl_ca_certs": "/ca.pem"}),
        ),
    ],
)
def test_a_redis_url_is_read_in_all_its_parts(url: str, address: Address) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "redis://", "redis:", "http://u:s3cret@h", "redis://:s3cret/x@h:1/0", "redis://:s3cret#x@h", "redis://:s3cret?x@h",
        "redis://:s3cret@h:port", "redis://:s3cret@h:99999", "redis://:s3cret@h/one", "redis://:s3cret@h/-1",
        "redis://:s3cret@h?cluster=maybe", "redis://h?password=s3cret", "redis://:s3cret@h?ssl_ca_certs=x",
        "redis://:s3cret@h/1?cluster=true", "redis://:s3cret@[::1", "redis://:s3cret@a..b", "redis://:s3cret@a b",
        "redis://:s3cret@h:0", "redis://:s3cret@300.1.1.1", "redis://:s3cret@xn--a", "redis://:s3cret℀@h",
    ],
)  # fmt: skip
def test_a_bad_redis_url_is_refused_without_showing_the_password(url: str) -> None:
    with pytest.raises(ConfigInvalid, match="CONFIG_STORE_URL") as caught:
        RedisStore.from_url(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.redis
def test_a_byte_that_is_no_text_makes_a_record_corrupt_and_no_other(redis_server) -> None:
    redis_server.call("FLUSHALL")
    with (
        closing(RedisStore.from_url(redis_server.url)) as store,
        closing(redis.Redis(port=redis_server.port)) as client,
    ):
        store.write(ACME, [made("r1"), made("r2")])
        client.hset(f"argotune:{{{ACME}}}:runs", "r1", b'{"hash":"\xff\xfe')
        only_r1_is_corrupt(store)
