"""A program that imports nothing of ours is resumed, and what it measured before counts once."""

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.trainer.bucket import Bucket
from tests.integration.trainer.control_plane import ControlPlane
from tests.integration.trainer.program import Program

Start = Callable[..., Program]


def checkpoint_of(bucket: Bucket, body: bytes = b"state", **changes: Any) -> str:
    uri = bucket.write("jobs/j/1/checkpoints/epoch-3.bin", body)
    known = {"uri": uri, "sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}
    return json.dumps({"checkpoint": known | {"attempt": 1, "epoch": 3} | changes})


def names(plane: ControlPlane) -> list[str]:
    return [saved["name"].partition("-")[2] for saved in plane.of_type("checkpoint_saved")]


class TestTheFolder:
    def test_hands_in_each_file_once_it_is_whole(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        script = """
            import os, pathlib, sys, time
            folder = pathlib.Path(os.environ["CHECKPOINT_DIR"])
            with (folder / "slow.bin").open("wb") as file:
                for part in range(30):
                    file.write(b"x" * 1000)
                    file.flush()
                    if part == 15:
                        print("half", flush=True)
                        time.sleep(3)
            (folder / "draft.part").write_bytes(b"no")
            (folder / ".hidden").write_bytes(b"no")
            os.link(folder / "slow.bin", folder / ".kept")
            print("whole", flush=True)
            time.sleep(1000)
        """
        run = program(script, **plane.environ())
        plane.wait_for(lambda: "half" in run.output)
        plane.wait_for(lambda: "whole" in run.output)
        plane.wait_for(lambda: plane.of_type("checkpoint_saved"))
        run.terminate()
        run.wait()

        [saved] = plane.of_type("checkpoint_saved")
        assert names(plane) == ["slow.bin"]
        assert saved["size"] == 30_000
        body = bucket.read(saved["uri"].removeprefix(bucket.uri("")))
        assert hashlib.sha256(body).hexdigest() == saved["sha256"]

    def test_never_hands_in_what_a_killed_program_was_writing(
        self, plane: ControlPlane, program: Start
    ) -> None:
        script = """
            import os, pathlib, signal
            folder = pathlib.Path(os.environ["CHECKPOINT_DIR"])
            file = (folder / "torn.bin").open("wb")
            file.write(b"x" * 1000)
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        """
        assert program(script, **plane.environ()).wait() == 137
        assert plane.of_type("checkpoint_saved") == []

    def test_hands_in_what_a_program_saves_that_was_asked_to_stop(
        self, plane: ControlPlane, program: Start
    ) -> None:
        script = """
            import os, pathlib, signal, sys, time
            folder = pathlib.Path(os.environ["CHECKPOINT_DIR"])
            def stop(number, frame):
                (folder / "last.bin").write_bytes(b"state")
                sys.exit(3)
            signal.signal(signal.SIGTERM, stop)
            print("ready", flush=True)
            while True:
                time.sleep(0.1)
        """
        run = program(script, **plane.environ())
        plane.wait_for(lambda: "ready" in run.output)
        run.terminate()

        assert run.wait() == 143
        assert names(plane) == ["last.bin"]
        [done] = plane.dones
        assert (done["outcome"], done["errorClass"]) == ("failed", "transient")

    def test_says_where_the_training_was(self, plane: ControlPlane, program: Start) -> None:
        script = """
            import os, pathlib
            import eventrain_trainer as et
            run = et.start()
            run.log(epoch=4, loss=1)
            pathlib.Path(os.environ["CHECKPOINT_DIR"], "a.bin").write_bytes(b"state")
            run.finish()
        """
        assert program(script, **plane.environ()).wait() == 0
        [saved] = plane.of_type("checkpoint_saved")
        assert (saved["epoch"], saved["step"]) == (4, None)


class TestResumeFrom:
    SCRIPT = """
        import os
        path = os.environ.get("RESUME_FROM")
        print("from:", open(path, "rb").read() if path else None, flush=True)
    """

    def test_is_the_newest_checkpoint(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        run = program(self.SCRIPT, **plane.environ(TRAINER_CONFIG=checkpoint_of(bucket)))
        assert run.wait() == 0
        assert "from: b'state'" in run.output
        assert plane.of_type("attempt_resumed") == [{"attempt": 1, "step": None, "epoch": 3}]

    def test_is_not_set_for_the_first_attempt(self, plane: ControlPlane, program: Start) -> None:
        run = program(self.SCRIPT, **plane.environ())
        assert run.wait() == 0
        assert "from: None" in run.output
        assert plane.of_type("attempt_resumed") == []

    def test_is_not_set_when_the_checkpoint_is_torn_and_that_is_told(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        config = checkpoint_of(bucket, sha256="0" * 64)
        run = program(self.SCRIPT, **plane.environ(TRAINER_CONFIG=config))
        assert run.wait() == 0
        assert "from: None" in run.output
        assert plane.of_type("attempt_resumed") == [{"anew": True}]

    def test_of_a_checkpoint_that_cannot_be_fetched_ends_the_attempt_for_another_try(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        config = checkpoint_of(bucket, uri=bucket.uri("jobs/j/1/checkpoints/gone.bin"))
        run = program(self.SCRIPT, **plane.environ(TRAINER_CONFIG=config, UPLOAD_WAIT_SECONDS="3"))
        assert run.wait() == 1
        [done] = plane.dones
        assert (done["outcome"], done["errorClass"]) == ("failed", "transient")
        assert "checkpoint" in done["message"]

    def test_is_waited_for_no_longer_than_until_a_stop(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        config = checkpoint_of(bucket, uri=bucket.uri("jobs/j/1/checkpoints/gone.bin"))

        def hang(body: dict[str, Any], _: str | None) -> dict[str, Any]:
            time.sleep(30)
            return body

        plane.on_addresses = hang
        run = program(
            self.SCRIPT, **plane.environ(TRAINER_CONFIG=config, CALLBACK_TIMEOUT_SECONDS="20")
        )
        plane.wait_for(lambda: plane.heartbeats)
        run.terminate()
        assert run.wait(15) == 143
        assert "from:" not in run.output
        assert len(plane.dones) == 1


class TestWhatCounts:
    @pytest.mark.parametrize(
        ("first", "told"), [(4, []), (3, [{"begins": {"loss": 3}}]), (1, [{"begins": {"loss": 1}}])]
    )
    def test_is_told_of_a_metric_that_begins_again(
        self,
        plane: ControlPlane,
        bucket: Bucket,
        program: Start,
        first: int,
        told: list[dict[str, Any]],
    ) -> None:
        script = f"""
            import eventrain_trainer as et
            with et.start() as run:
                for epoch in range({first}, 7):
                    run.log(epoch=epoch, loss=epoch)
        """
        config = checkpoint_of(bucket)
        assert program(script, **plane.environ(TRAINER_CONFIG=config)).wait() == 0
        [_, *rest] = plane.of_type("attempt_resumed")
        assert rest == told

    def test_goes_on_counting_where_the_program_says_no_epoch(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        script = """
            import eventrain_trainer as et
            with et.start() as run:
                resumed = run.resume()
                for n in range(resumed.step if resumed else 0, 6):
                    run.log(loss=n)
                    (run.work_dir / "c.bin").write_bytes(b"state")
                    if n == 2:
                        run.checkpoint(run.work_dir / "c.bin", copy=True)
        """
        assert program(script, **plane.environ()).wait() == 0
        [saved] = plane.of_type("checkpoint_saved")
        assert saved["step"] == 3
        plane.heartbeats.clear()
        config = checkpoint_of(bucket, epoch=None, step=3)
        assert program(script, **plane.environ(TRAINER_CONFIG=config)).wait() == 0
        assert [point["step"] for point in plane.points] == [4, 5, 6]


class TestData:
    def test_is_fetched_with_its_progress_told_and_shared_where_there_is_a_cache(
        self, plane: ControlPlane, bucket: Bucket, program: Start, tmp_path: Any
    ) -> None:
        bodies = {f"part-{n}.bin": bytes([n]) * 100_000 for n in range(5)}
        for name, body in bodies.items():
            uri = bucket.write(f"datasets/d/{name}", body)
            known = {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}
            plane.known[uri] = {"scope": "p"} if name == "part-0.bin" else known
        script = """
            import hashlib, pathlib
            import eventrain_trainer as et
            with et.start() as run:
                folder = run.dataset()
                for path in sorted(folder.rglob("*.bin")):
                    print(path.name, path.is_symlink(), len(path.read_bytes()), flush=True)
        """
        environ = plane.environ(
            DATASET_URI=bucket.uri("datasets/d/"), DATA_CACHE_DIR=str(tmp_path / "cache")
        )
        assert program(script, **environ).wait() == 0
        again = program(script, **environ)
        assert again.wait() == 0

        assert again.output.count("part-4.bin True 100000") == 2
        lines = [line for log in plane.of_type("log") for line in log["lines"]]
        assert any(line.startswith("dataset: 500 kB in") for line in lines)
        assert any("500 kB were on this node already" in line for line in lines)
        assert not list((tmp_path / "cache" / "uses").iterdir())

    def test_of_any_size_comes_whole(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        body = bytes(range(251)) * 200_000
        uri = bucket.write("datasets/d/rows.bin", body)
        script = """
            import hashlib
            import eventrain_trainer as et
            with et.start() as run:
                print(hashlib.sha256(run.dataset().read_bytes()).hexdigest(), flush=True)
        """
        run = program(script, **plane.environ(DATASET_URI=uri))
        assert run.wait() == 0
        assert hashlib.sha256(body).hexdigest() in run.output

    def test_that_is_not_what_the_catalog_says_ends_the_attempt(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        uri = bucket.write("datasets/d/rows.bin", b"others")
        plane.known[uri] = {"sha256": "0" * 64, "size": 6}
        script = """
            import eventrain_trainer as et
            with et.start() as run:
                run.dataset()
        """
        assert program(script, **plane.environ(DATASET_URI=uri)).wait() == 1
        [done] = plane.dones
        assert done["errorClass"] == "transient"
        assert "digest" in done["message"]
