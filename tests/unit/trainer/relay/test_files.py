import http.client
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.unit.trainer.relay.shop import FILES, Shop


def names(found: dict[str, Any]) -> list[tuple[str, bool, Any]]:
    return [(each["path"], each["is_dir"], each.get("file_size")) for each in found["files"]]


def put(shop: Shop, run: str, path: str, content: bytes = b"x") -> int:
    return shop.ask("PUT", f"{FILES}/1/{run}/artifacts/{path}", content)[0]


def settle(shop: Shop) -> list[bytes]:
    """What is uploaded, in order, when it is the uploader's turn."""
    sent: list[bytes] = []
    while shop.uploads:
        path, _, settled = shop.uploads.pop(0)
        sent.append(path.read_bytes())
        settled()
    return sent


class TestFiles:
    def test_are_uploaded_under_the_name_of_their_run_and_read_back(self, shop: Shop) -> None:
        run = shop.run()
        assert put(shop, run, "a%20b/plot.png", b"picture") == 200
        assert put(shop, run, "note.txt", b"") == 200

        assert [name for _, name, _ in shop.uploads] == [
            f"mlflow/{run}/a b/plot.png",
            f"mlflow/{run}/note.txt",
        ]
        assert shop.ask("GET", f"{FILES}/1/{run}/artifacts/a%20b/plot.png") == (200, b"picture")
        _, found = shop.ask("GET", f"{FILES}?path=1/{run}/artifacts")
        assert names(found) == [("a b", True, None), ("note.txt", False, 0)]
        _, below = shop.ask("GET", f"artifacts/list?run_id={run}&path=a%20b")
        assert names(below) == [("a b/plot.png", False, 7)]
        assert below["root_uri"] == f"mlflow-artifacts:/1/{run}/artifacts"

    def test_come_in_chunks_too(self, shop: Shop) -> None:
        run = shop.run()
        connection = http.client.HTTPConnection("127.0.0.1", shop.server.server_port, timeout=30)
        blocks = iter([b"one", b"two" * 100_000, b"three"])
        connection.request(
            "PUT", f"{FILES}/1/{run}/artifacts/big", blocks, encode_chunked=True,
            headers={"Transfer-Encoding": "chunked"},
        )  # fmt: skip
        assert connection.getresponse().status == 200
        connection.close()

        assert shop.ask("GET", f"{FILES}/1/{run}/artifacts/big")[1] == b"one" + b"two" * 100_000 + (
            b"three"
        )

    def test_logged_anew_are_stored_as_they_were_last(self, shop: Shop, tmp_path: Path) -> None:
        run = shop.run()
        for content in (b"1", b"2", b"3"):
            put(shop, run, "note.txt", content)

        assert settle(shop) == [b"1", b"3"]
        assert len(list((tmp_path / "files").iterdir())) == 1

    def test_taken_back_are_forgotten(self, shop: Shop, tmp_path: Path) -> None:
        run = shop.run()
        put(shop, run, "a/b.txt")
        assert shop.ask("DELETE", f"{FILES}/1/{run}/artifacts/a")[0] == 200

        assert settle(shop) == [b"x"]
        assert shop.forgotten == [f"mlflow/{run}/a/b.txt"] * 2
        assert shop.ask("GET", f"{FILES}/1/{run}/artifacts/a/b.txt")[0] == 404
        assert list((tmp_path / "files").iterdir()) == []

    @pytest.mark.parametrize(
        "path",
        ["../up", "a/../../up", "a//b", "%2e%2e/up", "a%5Cb", "a%0Ab", "x" * 500, "note.txt/in"],
    )
    def test_are_refused_where_s3_could_not_hold_them(self, shop: Shop, path: str) -> None:
        run = shop.run()
        put(shop, run, "note.txt")
        before = len(shop.uploads)

        assert put(shop, run, path) == 400
        assert len(shop.uploads) == before

    def test_belong_to_a_run_or_a_model_that_is_there(self, shop: Shop) -> None:
        assert put(shop, "0" * 32, "a") == 404
        assert shop.ask("PUT", f"{FILES}/somewhere/else", b"x")[0] == 400

    def test_of_a_client_that_vanishes_are_never_there(self, shop: Shop, tmp_path: Path) -> None:
        run = shop.run()
        with socket.create_connection(("127.0.0.1", shop.server.server_port)) as vanishing:
            head = f"PUT {FILES}/1/{run}/artifacts/big HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n"
            vanishing.sendall(head.encode() + b"half" * 1000)
        shop.server.close(10)

        assert shop.uploads == []
        assert list((tmp_path / "files").glob("*")) == []

    def test_are_sent_in_one_piece(self, shop: Shop) -> None:
        status, found = shop.ask("POST", "/api/2.0/mlflow-artifacts/mpu/create/1/x", {"path": "x"})
        assert (status, found["error_code"]) == (501, "NOT_IMPLEMENTED")
        assert found["message"].startswith("Multipart upload is not supported for the current")


class TestLoggedModels:
    def test_are_made_filled_and_found(self, shop: Shop) -> None:
        run = shop.run()
        made = shop.call("logged-models", experiment_id="1", name="net", source_run_id=run,
                         model_type="sklearn", params=[{"key": "a", "value": "1"}])  # fmt: skip
        model = made["model"]["info"]["model_id"]
        assert made["model"]["info"]["status"] == "LOGGED_MODEL_PENDING"
        path = f"{FILES}/1/models/{model}/artifacts/MLmodel"
        assert shop.ask("PUT", path, b"flavors: {}")[0] == 200
        shop.call(f"logged-models/{model}/params", params=[{"key": "b", "value": "2"}])
        tags = {"tags": [{"key": "t", "value": "1"}]}
        assert shop.ask("PATCH", f"logged-models/{model}/tags", tags)[0] == 200
        ready = {"model_id": model, "status": "LOGGED_MODEL_READY"}
        assert shop.ask("PATCH", f"logged-models/{model}", ready)[0] == 200
        shop.call("runs/log-metric", run_id=run, key="acc", value=1, timestamp=1, step=0,
                  model_id=model)  # fmt: skip

        assert shop.uploads[0][1] == f"mlflow/models/{model}/MLmodel"
        _, found = shop.ask("GET", f"logged-models/{model}")
        assert found["model"]["info"]["status"] == "LOGGED_MODEL_READY"
        assert [each["key"] for each in found["model"]["data"]["params"]] == ["a", "b"]
        assert found["model"]["data"]["metrics"][0]["value"] == 1
        search = {"experiment_ids": ["1"], "filter": "name = 'net' AND metrics.acc > 0",
                  "order_by": [{"field_name": "metrics.acc", "ascending": False}]}  # fmt: skip
        assert len(shop.call("logged-models/search", **search)["models"]) == 1
        _, files = shop.ask("GET", f"logged-models/{model}/artifacts/directories")
        assert names(files) == [("MLmodel", False, 11)]
        told = shop.told()
        assert [each["op"] for each in told if "model" in each] == [
            "model", "model_tags", "model_status",
        ]  # fmt: skip
        assert told[1]["params"] == {"a": "1", "b": "2"}


class TestTheRegistry:
    def test_takes_models_and_tells_of_the_wish(self, shop: Shop) -> None:
        run = shop.run()
        model = shop.call("logged-models", experiment_id="1", name="net", source_run_id=run)
        source = f"models:/{model['model']['info']['model_id']}"
        shop.call("registered-models/create", name="nets")
        again = shop.refused("registered-models/create", name="nets")
        assert again == (400, "RESOURCE_ALREADY_EXISTS")
        for number in ("1", "2"):
            made = shop.call("model-versions/create", name="nets", source=source)["model_version"]
            assert (made["version"], made["status"], made["run_id"]) == (number, "READY", run)
        shop.call("registered-models/alias", name="nets", alias="best", version="1")

        _, found = shop.ask("GET", "registered-models/alias?name=nets&alias=best")
        assert found["model_version"]["version"] == "1"
        _, uri = shop.ask("GET", "model-versions/get-download-uri?name=nets&version=2")
        assert uri["artifact_uri"] == model["model"]["info"]["artifact_uri"]
        latest = shop.call("registered-models/get-latest-versions", name="nets")
        assert [each["version"] for each in latest["model_versions"]] == ["2"]
        _, versions = shop.ask("GET", "model-versions/search?filter=name%3D%27nets%27")
        assert len(versions["model_versions"]) == 2
        assert (
            shop.ask("DELETE", "model-versions/delete", {"name": "nets", "version": "1"})[0] == 200
        )
        assert shop.ask("GET", "model-versions/get?name=nets&version=1")[0] == 404
        assert shop.told("tags") == [
            {"op": "tags", "run": run, "tags": {"eventrain.registered_as": "nets"}}
        ]


class TestTheServer:
    def test_says_who_it_is(self, shop: Shop) -> None:
        assert shop.ask("GET", "/health") == (200, b"OK")
        assert shop.ask("GET", "/version")[0] == 200
        _, info = shop.ask("GET", "/api/3.0/mlflow/server-info")
        assert info["multipart_uploads_enabled"] is False

    @pytest.mark.parametrize("path", ["runs/teleport", "/api/3.0/mlflow/scorers/list", "/graphql"])
    def test_knows_no_other_endpoint_and_says_so_at_once(self, shop: Shop, path: str) -> None:
        status, found = shop.ask("POST", path, {})
        assert (status, found["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
        assert shop.ask("GET", "/health") == (200, b"OK")

    def test_refuses_what_is_no_json(self, shop: Shop) -> None:
        for body in (b"{", b"[]", b"\xff"):
            assert shop.ask("POST", "runs/create", body)[0] == 400

    def test_listens_on_loopback_only(self, shop: Shop) -> None:
        assert shop.server.server_address[0] == "127.0.0.1"

    def test_takes_and_drops_traces_with_one_warning(self, shop: Shop) -> None:
        trace = {"trace": {"trace_info": {"trace_id": "tr-1", "tags": {"a": "b"}}}}
        for _ in range(3):
            status, found = shop.ask("POST", "/api/3.0/mlflow/traces", trace)
            assert (status, found["trace"]["trace_info"]["trace_id"]) == (200, "tr-1")
        assert shop.ask("POST", "/v1/traces", b"spans")[0] == 200
        path = f"{FILES}/1/traces/tr-1/artifacts/traces.json"
        assert shop.ask("PUT", path, b"{}")[0] == 200

        assert len(shop.warnings) == 1
        assert shop.uploads == []

    def test_names_experiments_as_a_program_wants_to(self, shop: Shop) -> None:
        made = shop.call("experiments/create", name="mine")["experiment_id"]
        assert shop.refused("experiments/create", name="mine") == (400, "RESOURCE_ALREADY_EXISTS")
        _, found = shop.ask("GET", "experiments/get-by-name?experiment_name=mine")
        assert found["experiment"]["experiment_id"] == made
        assert shop.ask("GET", "experiments/get-by-name?experiment_name=no")[0] == 404
        shop.call("experiments/set-experiment-tag", experiment_id=made, key="a", value="b")
        search = shop.call("experiments/search", filter="tags.a = 'b'")
        assert [each["name"] for each in search["experiments"]] == ["mine"]
        assert {"job-1", "Default"} <= {
            each["name"] for each in shop.call("experiments/search")["experiments"]
        }
