"""Why a server cannot be reached: what waiting cannot mend is a wrong setting that is named, all else may pass."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tls_server import untrusted

from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.redis import RedisStore
from argotune.adapters.retrying import Patience
from argotune.adapters.vespa import VespaAccess, VespaContent
from argotune.errors import AccessDenied, ArgotuneError, ConfigInvalid, Unavailable
from argotune.settings import VespaLayout, read_settings
from argotune.tenants.catalog import Configs
from argotune.wiring import open_vespa


def phoenix(address: str) -> object:
    with PhoenixHttp(f"https://{address}", patience=Patience(retries=1, sleep=lambda _s: None)) as http:
        return http.version()


def redis(address: str) -> object:
    return RedisStore.from_url(f"rediss://{address}").read("acme", "runs", "1")


def vespa(address: str) -> object:
    return VespaContent(VespaAccess(f"https://{address}", timeout_s=2.0), VespaLayout()).ping()


ASK: dict[str, tuple[str, Callable[[str], object]]] = {
    "phoenix": ("PHOENIX_ENDPOINT", phoenix),
    "redis": ("CONFIG_STORE_URL", redis),
    "vespa": ("VESPA_URL", vespa),
}


def told(ask: Callable[[str], object], address: str, kind: type[ArgotuneError]) -> str:
    with pytest.raises(ArgotuneError) as caught:
        ask(address)
    assert type(caught.value) is kind, caught.value
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("product", ASK)
def test_a_certificate_that_nobody_trusts_is_a_wrong_setting(product: str):
    variable, ask = ASK[product]
    with untrusted() as port:
        text = told(ask, f"127.0.0.1:{port}", ConfigInvalid)
    assert text.startswith(f"{variable}: ")
    assert "certificate" in text


@pytest.mark.parametrize("product", ASK)
def test_a_host_name_that_nobody_knows_may_be_known_later_and_is_told_as_such(product: str):
    text = told(ASK[product][1], "nowhere.invalid:7777", Unavailable)
    assert "nowhere.invalid" in text
    assert "not known" in text or "dns" in text.lower()


@pytest.mark.parametrize("product", ASK)
def test_a_server_that_is_down_is_told_with_its_reason(product: str):
    text = told(ASK[product][1], "127.0.0.1:9", Unavailable)
    assert "refused" in text.lower() or "connect" in text.lower()


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("SSL_CERT_FILE", "/no/such/file", "SSL_CERT_FILE"),
        ("HTTPS_PROXY", "nonsense://x", "HTTPS_PROXY"),
        ("ALL_PROXY", "socks5://127.0.0.1:9", "ALL_PROXY"),
        ("HTTPS_PROXY", "http://[::1", "PHOENIX_ENDPOINT"),
    ],
)
def test_what_the_client_of_phoenix_reads_in_the_environment_is_told_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
):
    monkeypatch.setenv(variable, value)
    assert says in told(phoenix, "phoenix.invalid", ConfigInvalid)


@pytest.mark.parametrize("query", ["ssl_ca_certs=/no/such/file", "ssl_certfile=/no/such/file", "ssl_cert_reqs=maybe"])
def test_tls_options_of_redis_that_cannot_be_used_are_a_wrong_setting(query: str):
    with untrusted() as port:
        assert told(redis, f"127.0.0.1:{port}?{query}", ConfigInvalid).startswith("CONFIG_STORE_URL: ")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"vespa_cert": "/no/such/file"}, "ARGOTUNE_VESPA_CERT: no file"),
        ({"vespa_cert": __file__, "vespa_key": "/no/such/file"}, "ARGOTUNE_VESPA_KEY: no file"),
        ({"vespa_key": __file__}, "ARGOTUNE_VESPA_CERT names none"),
    ],
)
def test_a_certificate_for_vespa_that_cannot_be_used_is_a_wrong_setting(files: dict[str, str], says: str):
    settings = read_settings(vespa_url="https://127.0.0.1:9", **files)
    assert says in told(lambda _address: open_vespa(settings).ping(), "", ConfigInvalid)


def test_a_login_that_redis_refuses_is_not_told_as_a_tenants_config(new_redis: Callable):
    server = new_redis("--requirepass", "right")
    store = RedisStore.from_url(f"redis://:wrong-password@127.0.0.1:{server.port}")
    with pytest.raises(AccessDenied, match=r"^CONFIG_STORE_URL: Redis at ") as caught:
        Configs(store).get("acme")
    assert "tenant" not in str(caught.value)
    assert "wrong-password" not in str(caught.value)
