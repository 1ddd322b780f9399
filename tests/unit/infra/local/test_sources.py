"""pip's configuration, as uv is told of it."""

import os
import sys
from pathlib import Path

from infra.local.environments import sources

LISTING = """\
:env:.find-links='/home/me/wheels'
global.extra-index-url='https://one.example/simple https://two.example/simple'
global.find-links='/elsewhere'
global.index-url='https://mirror.example/simple'
install.trusted-host='mirror.example'
user.name=broken
"""


class TestUvOptions:
    def test_say_what_pip_was_told_the_environment_first(self) -> None:
        options = sources.uv_options(sources.read(LISTING), {})
        assert options == [
            *("--find-links", "/home/me/wheels"),
            *("--index", "https://one.example/simple", "--index", "https://two.example/simple"),
            *("--default-index", "https://mirror.example/simple"),
            *("--allow-insecure-host", "mirror.example"),
            *("--index-strategy", "unsafe-best-match"),
        ]

    def test_add_nothing_where_pip_was_told_nothing(self) -> None:
        assert sources.uv_options({}, {}) == ["--index-strategy", "unsafe-best-match"]

    def test_an_index_for_torch_is_asked_too(self) -> None:
        options = sources.uv_options({}, {"EVENTRAIN_TORCH_INDEX": "https://torch.example/cpu"})
        assert options[:2] == ["--index", "https://torch.example/cpu"]

    def test_no_network_where_pip_may_use_none(self) -> None:
        assert "--no-index" in sources.uv_options({"no-index": "true"}, {})
        assert "--no-index" not in sources.uv_options({"no-index": "false"}, {})


class TestAskPip:
    def test_reads_a_configuration_of_this_machine(self, tmp_path: Path) -> None:
        file = tmp_path / "pip.conf"
        file.write_text(
            "[global]\nextra-index-url =\n    https://a.example\n    https://b.example\n"
        )
        environ = {"PATH": os.defpath, "PIP_CONFIG_FILE": str(file), "PIP_FIND_LINKS": "wheels"}
        tools = Path(__file__).parents[4] / ".tools" / "bin" / "python"
        told = sources.ask_pip([str(tools), "-m", "pip"], environ)
        assert told["extra-index-url"].split() == ["https://a.example", "https://b.example"]
        assert told["find-links"] == "wheels"

    def test_finds_nothing_where_there_is_no_pip(self, tmp_path: Path) -> None:
        assert sources.ask_pip([str(tmp_path / "none")]) == {}
        assert sources.ask_pip([sys.executable, "-m", "no_such_pip"]) == {}


class TestUvEnvironment:
    def test_trusts_what_pip_was_told_to_trust(self) -> None:
        assert sources.uv_environment({"cert": "/ca.crt"}) == {"SSL_CERT_FILE": "/ca.crt"}
        assert sources.uv_environment({}) == {}
