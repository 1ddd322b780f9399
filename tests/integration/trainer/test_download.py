import os
import resource
from pathlib import Path
from typing import Any

import pytest
from eventrain_trainer.addresses import Addresses, Granted, TransferError
from eventrain_trainer.callbacks import Callbacks
from eventrain_trainer.download import DigestError, Download, NoRoom
from eventrain_trainer.job_token import Token
from eventrain_trainer.patience import Patience
from eventrain_trainer.wire import Wire

from tests.integration.trainer.control_plane import ControlPlane
from tests.integration.trainer.object_server import ObjectServer

URI = "s3://eventrain/datasets/d/rows.bin"
PART = 100_000
BODY = os.urandom(950_001)


@pytest.fixture
def plane() -> Any:
    with ControlPlane() as plane:
        yield plane


def download_of(plane: ControlPlane, store: ObjectServer, **known: Any) -> Download:
    wire = Wire(5.0)
    asked: list[str] = []

    def answer(body: dict[str, Any], _: str | None) -> dict[str, Any]:
        asked.extend(body["gets"])
        return {"puts": [], "gets": [{"uri": uri, "url": store.url, **known} for uri in asked[-1:]]}

    plane.on_addresses = answer
    callbacks = Callbacks(wire=wire, token=Token("first", None), source="/test")
    addresses = Addresses(callbacks, f"{plane.url}/addresses")
    [found] = addresses.get([URI])
    asked.clear()
    patience = Patience(10.0)
    return Download(wire, Granted(addresses, URI, found), patience, part_size=PART)


class TestDownload:
    @pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, len(BODY)])
    def test_brings_the_same_bytes_in_parts(
        self, plane: ControlPlane, tmp_path: Path, size: int
    ) -> None:
        with ObjectServer(BODY[:size]) as store:
            counted: list[int] = []
            download = download_of(plane, store, sha256=store.sha256, size=size)
            download.count = counted.append
            download.into(tmp_path / "rows.bin")
            assert (tmp_path / "rows.bin").read_bytes() == store.body
            assert sum(counted) == size
            assert len(store.asked) == max(1, -(-size // PART))

    def test_goes_on_at_the_byte_where_the_wire_was_cut(
        self, plane: ControlPlane, tmp_path: Path
    ) -> None:
        with ObjectServer(BODY, cuts=[40_000, 0, 70_000, 99_999]) as store:
            download_of(plane, store, sha256=store.sha256).into(tmp_path / "rows.bin")
            assert (tmp_path / "rows.bin").read_bytes() == BODY
            assert store.given == len(BODY)

    def test_takes_parts_from_a_store_that_calls_them_the_whole(
        self, plane: ControlPlane, tmp_path: Path
    ) -> None:
        with ObjectServer(BODY, status=200, cuts=[40_000]) as store:
            download_of(plane, store).into(tmp_path / "rows.bin")
            assert (tmp_path / "rows.bin").read_bytes() == BODY
            assert store.given == len(BODY)

    def test_asks_for_a_fresh_address_when_the_hour_is_over(
        self, plane: ControlPlane, tmp_path: Path
    ) -> None:
        with ObjectServer(BODY, hours=[2, 6]) as store:
            download_of(plane, store, sha256=store.sha256).into(tmp_path / "rows.bin")
            assert (tmp_path / "rows.bin").read_bytes() == BODY
            assert store.hour == 2

    def test_waits_for_a_store_that_is_busy(self, plane: ControlPlane, tmp_path: Path) -> None:
        with ObjectServer(BODY, busy=3) as store:
            download_of(plane, store).into(tmp_path / "rows.bin")
            assert (tmp_path / "rows.bin").read_bytes() == BODY

    def test_takes_the_whole_from_a_store_that_knows_no_ranges(
        self, plane: ControlPlane, tmp_path: Path
    ) -> None:
        with ObjectServer(BODY, ranges=False, cuts=[500_000]) as store:
            download_of(plane, store, sha256=store.sha256).into(tmp_path / "rows.bin")
            assert (tmp_path / "rows.bin").read_bytes() == BODY

    def test_begins_anew_when_the_object_is_replaced_meanwhile(
        self, plane: ControlPlane, tmp_path: Path
    ) -> None:
        with ObjectServer(BODY, swap=BODY[::-1]) as store:
            download_of(plane, store).into(tmp_path / "rows.bin")
            assert (tmp_path / "rows.bin").read_bytes() == BODY[::-1]

    def test_refuses_what_is_not_what_was_stored(self, plane: ControlPlane, tmp_path: Path) -> None:
        with ObjectServer(BODY) as store, pytest.raises(DigestError, match="digest"):
            download_of(plane, store, sha256="0" * 64).into(tmp_path / "rows.bin")

    def test_refuses_another_size_before_it_fetches_it_all(
        self, plane: ControlPlane, tmp_path: Path
    ) -> None:
        with ObjectServer(BODY) as store, pytest.raises(TransferError, match="950001 bytes, not 7"):
            download_of(plane, store, size=7).into(tmp_path / "rows.bin")

    def test_gives_up_when_it_is_refused_again_and_again(
        self, plane: ControlPlane, tmp_path: Path
    ) -> None:
        with ObjectServer(BODY) as store:
            download = download_of(plane, store)
            download.granted.found = {"uri": URI, "url": store.url + "1"}
            plane.mode = "away"
            with pytest.raises(TransferError, match="403"):
                download.into(tmp_path / "rows.bin")

    def test_says_when_the_disk_takes_no_more(self, plane: ControlPlane, tmp_path: Path) -> None:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        with ObjectServer(BODY) as store:
            download = download_of(plane, store)
            resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, before[1]))
            try:
                with pytest.raises(NoRoom, match="File too large"):
                    download.into(tmp_path / "rows.bin")
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
