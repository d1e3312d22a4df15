from __future__ import annotations

import pytest

from encore import InputError
from encore.raters import Judge
from encore.raters.judge.address import Address, check_url

AZURE = "https://me.openai.azure.com/openai/deployments/gpt"


@pytest.mark.parametrize(
    ("given", "route"),
    [
        ("http://h:8000/v1", "http://h:8000/v1/chat/completions"),
        ("http://h/v1/chat/completions/", "http://h/v1/chat/completions"),
        (" http://h/v1\n", "http://h/v1/chat/completions"),
        (f"{AZURE}?api-version=2024-10-21", f"{AZURE}/chat/completions?api-version=2024-10-21"),
        (
            f"{AZURE}/chat/completions?api-version=2024-10-21",
            f"{AZURE}/chat/completions?api-version=2024-10-21",
        ),
        (
            "https://g.googleapis.com/v1beta/openai/",
            "https://g.googleapis.com/v1beta/openai/chat/completions",
        ),
    ],
)
def test_a_query_stays_at_the_end_of_each_route(given: str, route: str) -> None:
    assert Address.of(given).route("/chat/completions") == route
    assert Judge("m", given).base_url == check_url(given) == str(Address.of(given))


@pytest.mark.parametrize(
    "query",
    [
        *("key=pw", "api-key=pw", "code=pw", "sig=pw", "token=pw", "subscription-key=pw"),
        *("pw", "api-version=a&key=pw", f"api-version={'pw' * 30}", "api-version=%00pw", "x=pw"),
    ],
)
def test_a_query_that_may_be_a_secret_is_refused_without_repeating_it(query: str) -> None:
    with pytest.raises(InputError, match="contains a password or a query") as error:
        check_url(f"http://h/v1?{query}")
    assert "pw" not in str(error.value)


@pytest.mark.parametrize(
    "address", ["http://h /v1", "http://h/v1\x00", "http://h/\ud800", "http://h\n.x/v1"]
)
def test_an_address_of_odd_characters_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="is not an address"):
        check_url(address)


@pytest.mark.parametrize(
    ("given", "longer"),
    [
        ("http://h:1", "http://h:1/v1"),
        ("http://h/openai", "http://h/openai/v1"),
        ("http://h/v1", None),
        ("http://h/api/v3", None),
        ("http://h/v1beta/openai", None),
        (f"{AZURE}?api-version=1", None),
    ],
)
def test_v1_is_added_where_no_version_is(given: str, longer: str | None) -> None:
    address = Address.of(given).versioned()
    assert (address and str(address)) == longer


@pytest.mark.parametrize(
    ("given", "is_azure"),
    [
        (AZURE, True),
        ("https://gate.example/openai?api-version=1", True),
        ("https://api.openai.com/v1", False),
        ("https://azure.com.example/v1", False),
    ],
)
def test_azure_is_known_by_its_name_or_its_query(given: str, is_azure: bool) -> None:
    assert Address.of(given).is_azure is is_azure


@pytest.mark.parametrize(
    ("given", "proxy"),
    [
        ("https://api.openai.com/v1", "http://gate:3128"),
        ("http://api.example/v1", "http://plain:80"),
        ("https://inside.corp/v1", None),
        ("https://a.inside.corp:8443/v1", None),
        *((f"http://{host}:8000/v1", None) for host in ("localhost", "127.0.0.1", "127.8.9.1")),
        *((f"http://{host}/v1", None) for host in ("[::1]", "a.localhost", "[::ffff:127.0.0.1]")),
    ],
)
def test_the_proxies_of_the_environment_are_used_but_not_for_this_machine(
    given: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://gate:3128")
    monkeypatch.setenv("http_proxy", "plain:80")
    monkeypatch.setenv("NO_PROXY", "inside.corp")
    assert Address.of(given).proxy() == proxy
