"""Rule 13: no address that only we can reach, however it is spelled."""

import pytest

from common.jobs.webhook import Policy, is_public, problem

PRIVATE = [
    *(
        "localhost",
        "LOCALHOST",
        "localhost.",
        "x.localhost",
        "printer.local",
        "a.svc.cluster.local",
    ),
    *("postgres", "postgres.", "metadata.google.internal", "metadata.google.internal."),
    *("127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "0.0.0.0", "0", "10.1.2.3", "172.16.0.1"),
    *("192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255"),
    *("2130706433", "0x7f000001", "0x7F.1", "0x7f.0.0.1", "127.0.0.0x1", "0177.0.0.1", "0x"),
    *("127。0。0。1", "１２７.0.0.1", "ｌocalhost", "127%2e0%2e0%2e1", "127.0.0.%31"),
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[fe80::1]", "[fe80::1%25eth0]", "[fc00::1]"),
    *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::ffff:a9fe:a9fe]"),
    *("[64:ff9b::127.0.0.1]", "[64:ff9b::a00:1]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]"),
    *("[2001:0:7f00:1::]", "[ff02::1]"),
]
PUBLIC = [
    *("hooks.example.com", "hooks.example.com:8443", "8.8.8.8", "a.b.example.com."),
    *("[2606:4700::1111]", "[::ffff:8.8.8.8]", "xn--bcher-kva.example", "bücher.example"),
    *("7.example.com", "0x7f.example.com", "local.example", "internal.example"),
]
OUTSIDE = Policy(http=True)
ANYWHERE = Policy(private=True, http=True)


class TestProblem:
    @pytest.mark.parametrize("host", PRIVATE)
    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_refuses_what_only_we_can_reach(self, scheme: str, host: str) -> None:
        assert problem(f"{scheme}://{host}/hook", OUTSIDE) is not None

    @pytest.mark.parametrize("host", PUBLIC)
    def test_takes_what_everybody_can_reach(self, host: str) -> None:
        assert problem(f"https://{host}/hook?x=1", OUTSIDE) is None

    @pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost", "[::1]", "postgres"])
    def test_takes_what_only_we_can_reach_where_that_is_allowed(self, host: str) -> None:
        assert problem(f"http://{host}/hook", ANYWHERE) is None

    @pytest.mark.parametrize(
        "url",
        [
            *("", "hook", "//a.example", "ftp://a.example", "file:///etc/passwd", "http://"),
            *("http://[::1", "http://a.example:port", "http://a b.example", "http://a.example/\n"),
            *("http://u@a.example", "http://:p@a.example", "http://a.example@10.0.0.1/"),
        ],
    )
    def test_refuses_what_is_no_web_address_or_holds_a_password(self, url: str) -> None:
        assert problem(url, ANYWHERE) is not None

    def test_takes_http_only_where_that_is_allowed(self) -> None:
        assert problem("http://hooks.example.com/", Policy()) == "must begin with https://"
        assert problem("https://hooks.example.com/", Policy()) is None

    @pytest.mark.parametrize("port", [0, 22, 25, 445, 1023])
    def test_refuses_ports_of_other_services(self, port: int) -> None:
        assert problem(f"https://hooks.example.com:{port}/", ANYWHERE) is not None

    @pytest.mark.parametrize("port", [80, 443, 1024, 8443, 65535])
    def test_takes_ports_of_the_web(self, port: int) -> None:
        assert problem(f"https://hooks.example.com:{port}/", ANYWHERE) is None


class TestIsPublic:
    """What a name resolves to."""

    @pytest.mark.parametrize(
        "address",
        [
            *("127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
            *("::1", "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "no address"),
        ],
    )
    def test_is_false_for_what_leads_inside(self, address: str) -> None:
        assert not is_public(address)

    @pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
    def test_is_true_for_the_world(self, address: str) -> None:
        assert is_public(address)
