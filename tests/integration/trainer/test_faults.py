import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.trainer.bucket import Bucket
from tests.integration.trainer.control_plane import ControlPlane
from tests.integration.trainer.program import Program

Start = Callable[..., Program]

LOOP = """
    import sys, time
    import eventrain_trainer as et
    run = et.start()
    for epoch in range(1, 1000):
        run.log(epoch=epoch, loss=1 / epoch)
        time.sleep(0.05)
        if run.should_stop:
            open(run.work_dir / "last.bin", "wb").write(b"x" * 1000)
            run.checkpoint(run.work_dir / "last.bin", epoch=epoch)
            run.finish()
            sys.exit(0)
"""


class TestControlPlaneAway:
    def test_leaves_the_result_and_all_points_in_s3(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        plane.mode = "away"
        script = """
            import eventrain_trainer as et
            with et.start() as run:
                for step in range(2500):
                    run.log(step=step, loss=float("nan") if step == 7 else step)
                run.event("epoch_end", epoch=1)
        """
        assert program(script, **plane.environ(DONE_WAIT_SECONDS="1")).wait() == 0

        result = json.loads(bucket.read(plane.key("result.json")))
        points = [point for beat in result["heartbeats"] for point in beat.get("points", [])]
        assert [point["step"] for point in points] == list(range(2500))
        assert points[7]["value"] == "NaN"
        sequences = [beat["sequence"] for beat in result["heartbeats"]]
        assert sequences == sorted(set(sequences))
        assert "epoch_end" in [event["type"] for event in result["events"]]
        assert result["done"]["outcome"] == "succeeded"

    def test_loses_nothing_when_it_comes_back(self, plane: ControlPlane, program: Start) -> None:
        script = """
            import time
            import eventrain_trainer as et
            run = et.start()
            for step in range(60):
                run.log(step=step, loss=step)
                time.sleep(0.02)
            run.finish()
        """
        run = program(script, **plane.environ())
        plane.wait_for(lambda: plane.points)
        plane.mode = "away"
        time.sleep(0.5)
        plane.mode = "up"

        assert run.wait() == 0
        assert [point["step"] for point in plane.points] == list(range(60))
        assert len(plane.dones) == 1

    def test_counts_nothing_twice_when_only_the_answers_are_lost(
        self, plane: ControlPlane, program: Start
    ) -> None:
        hear = plane.on_heartbeat

        def hear_and_vanish(body: dict[str, Any], _: str | None) -> dict[str, Any]:
            answer = hear(body, _)
            if len(plane.heartbeats) in (2, 3):
                time.sleep(1.2)
            return answer

        plane.on_heartbeat = hear_and_vanish
        script = """
            import time
            import eventrain_trainer as et
            run = et.start()
            for step in range(100):
                run.log(step=step, loss=step)
                time.sleep(0.02)
            run.finish()
        """
        assert program(script, **plane.environ()).wait() == 0
        assert [point["step"] for point in plane.points] == list(range(100))

    def test_no_call_waits_for_one_that_never_answers(
        self, plane: ControlPlane, tmp_path: Path, program: Start
    ) -> None:
        plane.mode = "silent"
        script = """
            import pathlib, time
            import eventrain_trainer as et
            run = et.start()
            began = time.monotonic()
            for step in range(20000):
                run.log(step=step, loss=step, accuracy=0.5)
                run.progress(step=step, total_steps=20000)
                run.event("epoch_end", step=step)
            (run.work_dir / "file.bin").write_bytes(b"x")
            run.checkpoint(run.work_dir / "file.bin")
            run.artifact(run.work_dir / "file.bin")
            pathlib.Path(run.work_dir / "took").write_text(str(time.monotonic() - began))
        """
        environ = plane.environ(DONE_WAIT_SECONDS="1", UPLOAD_WAIT_SECONDS="1")
        environ["WORK_DIR"] = str(tmp_path)
        run = program(script, **environ)
        plane.wait_for(lambda: (tmp_path / "took").exists())

        assert run.wait() == 1
        assert float((tmp_path / "took").read_text()) < 15


class TestToken:
    def test_follows_the_newest_one(self, plane: ControlPlane, program: Start) -> None:
        run = program(LOOP, **plane.environ())
        plane.wait_for(lambda: plane.heartbeats)
        plane.renew = "second"
        plane.tokens.add("second")
        plane.wait_for(lambda: "second" in plane.seen_tokens)
        plane.renew = ""
        plane.tokens.remove("first")
        plane.command = "stop"

        run.wait()
        assert plane.dones
        assert plane.seen_tokens[-1] == "second"

    def test_reads_the_mounted_one_after_a_401(
        self, plane: ControlPlane, program: Start, tmp_path: Path
    ) -> None:
        mounted = tmp_path / "token"
        mounted.write_text("first")
        plane.tokens = {"reissued"}
        run = program(LOOP, **plane.environ(CALLBACK_TOKEN_FILE=str(mounted)))
        plane.wait_for(lambda: plane.seen_tokens)
        assert not plane.heartbeats
        mounted.write_text("reissued")
        plane.wait_for(lambda: plane.heartbeats)
        plane.command = "stop"

        run.wait()
        assert plane.dones


class TestEnd:
    def test_a_stale_attempt_stops_and_says_nothing_more(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        run = program(LOOP, **plane.environ())
        plane.wait_for(lambda: plane.points)
        plane.stale = True

        assert run.wait() == 143
        assert not plane.dones
        assert bucket.keys() == []

    @pytest.mark.parametrize("by", ["signal", "stop", "checkpoint_and_stop"])
    def test_saves_and_reports_before_it_goes(
        self, plane: ControlPlane, bucket: Bucket, program: Start, by: str
    ) -> None:
        run = program(LOOP, **plane.environ())
        # The second is told by a program that has asked whether it should stop.
        plane.wait_for(lambda: len(plane.points) > 1)
        if by == "signal":
            run.terminate()
        else:
            plane.command = by

        assert run.wait() == 143
        [done] = plane.dones
        assert (done["outcome"], done["errorClass"]) == ("failed", "transient")
        saved = plane.newest_checkpoint()
        assert saved is not None
        assert len(bucket.read(saved["uri"].removeprefix(bucket.uri("")))) == 1000

    def test_kills_a_script_that_will_not_go(self, plane: ControlPlane, program: Start) -> None:
        script = """
            import signal, time
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print("deaf", flush=True)
            while True:
                time.sleep(1)
        """
        run = program(script, **plane.environ(TERMINATION_GRACE_SECONDS="2"))
        plane.wait_for(lambda: "deaf" in run.output)
        run.terminate()

        assert run.wait(10) == 143
        assert len(plane.dones) == 1

    def test_a_script_that_never_looks_at_should_stop_ends_at_once(
        self, plane: ControlPlane, program: Start
    ) -> None:
        script = """
            import time
            import eventrain_trainer as et
            run = et.start()
            run.log(loss=1)
            time.sleep(1000)
        """
        run = program(script, **plane.environ(TERMINATION_GRACE_SECONDS="60"))
        plane.wait_for(lambda: plane.points)
        run.terminate()

        assert run.wait(20) == 143

    def test_a_script_does_not_outlive_its_runner(
        self, plane: ControlPlane, program: Start, tmp_path: Path
    ) -> None:
        script = """
            import pathlib, time
            import eventrain_trainer as et
            run = et.start()
            run.log(loss=1)
            try:
                time.sleep(1000)
            finally:
                pathlib.Path(run.work_dir / "ended").touch()
        """
        run = program(script, **plane.environ(WORK_DIR=str(tmp_path)))
        plane.wait_for(lambda: plane.points)
        run.process.kill()

        plane.wait_for(lambda: (tmp_path / "ended").exists())


class TestTransfers:
    def test_a_kill_in_the_middle_of_an_upload_leaves_no_checkpoint(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        plane.slow_puts = True
        script = """
            import time
            import eventrain_trainer as et
            run = et.start()
            (run.work_dir / "big.bin").write_bytes(bytes(8_000_000))
            run.checkpoint(run.work_dir / "big.bin", epoch=3)
            time.sleep(1000)
        """
        run = program(script, **plane.environ(CALLBACK_TIMEOUT_SECONDS="30"))
        plane.wait_for(plane.half_put.is_set)
        run.kill()

        assert plane.newest_checkpoint() is None
        assert bucket.keys(plane.key("checkpoints")) == []

    def test_a_kill_in_the_middle_of_a_part_leaves_no_checkpoint(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        plane.slow_puts, plane.large = True, 6_000_000
        script = """
            import time
            import eventrain_trainer as et
            run = et.start()
            (run.work_dir / "big.bin").write_bytes(bytes(12_000_000))
            run.checkpoint(run.work_dir / "big.bin", epoch=3)
            time.sleep(1000)
        """
        run = program(script, **plane.environ(CALLBACK_TIMEOUT_SECONDS="30"))
        plane.wait_for(plane.half_put.is_set)
        run.kill()

        assert plane.newest_checkpoint() is None
        assert bucket.keys(plane.key("checkpoints")) == []

    @pytest.mark.parametrize(("torn", "expected"), [(False, "True"), (True, "False")])
    def test_goes_on_only_from_a_checkpoint_that_is_whole(
        self, plane: ControlPlane, bucket: Bucket, program: Start, torn: bool, expected: str
    ) -> None:
        body = b"all of it" * 1000
        uri = bucket.write("jobs/j/1/checkpoints/c.bin", body[:-1] if torn else body)
        checkpoint = {"uri": uri, "sha256": hashlib.sha256(body).hexdigest(), "epoch": 3}
        script = """
            import eventrain_trainer as et
            run = et.start()
            resumed = run.resume()
            print("resumed:", resumed is not None and resumed.epoch == 3)
        """
        config = json.dumps({"checkpoint": checkpoint})
        run = program(script, **plane.environ(TRAINER_CONFIG=config))

        assert run.wait() == 0
        assert f"resumed: {expected}" in run.output
        assert bool(plane.of_type("warning")) == torn

    def test_sends_a_large_file_in_parts(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        plane.large = 6_000_000
        script = """
            import eventrain_trainer as et
            with et.start() as run:
                (run.work_dir / "big.bin").write_bytes(bytes(range(250)) * 50_000)
                run.artifact(run.work_dir / "big.bin", "model/big.bin")
        """
        assert program(script, **plane.environ()).wait() == 0
        [artifact] = plane.dones[0]["artifacts"]
        assert bucket.read(plane.key("artifacts/model/big.bin")) == bytes(range(250)) * 50_000
        assert artifact["size"] == 12_500_000

    def test_asks_for_fresh_addresses_when_s3_refuses(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        plane.refused_addresses = 2
        script = """
            import eventrain_trainer as et
            with et.start() as run:
                (run.work_dir / "model.bin").write_bytes(b"model")
                run.artifact(run.work_dir / "model.bin", "model/model.bin")
        """
        assert program(script, **plane.environ()).wait() == 0
        assert bucket.read(plane.key("artifacts/model/model.bin")) == b"model"

    def test_a_training_whose_model_could_not_be_stored_has_not_succeeded(
        self, plane: ControlPlane, program: Start
    ) -> None:
        plane.refused_addresses = 1000
        script = """
            import eventrain_trainer as et
            with et.start() as run:
                (run.work_dir / "model.bin").write_bytes(b"model")
                run.artifact(run.work_dir / "model.bin", "model/model.bin")
        """
        program(script, **plane.environ(UPLOAD_WAIT_SECONDS="2")).wait()
        [done] = plane.dones
        assert (done["outcome"], done["errorClass"]) == ("failed", "transient")
        assert "model/model.bin" in done["message"]

    def test_a_checkpoint_replaced_before_it_was_sent_is_still_the_one_that_was_meant(
        self, plane: ControlPlane, bucket: Bucket, program: Start
    ) -> None:
        script = """
            import eventrain_trainer as et
            with et.start() as run:
                for epoch in range(8):
                    part = run.work_dir / "part"
                    part.write_bytes(bytes([epoch]) * 1_000_000)
                    run.checkpoint(part.replace(run.work_dir / "last.bin"), epoch=epoch)
        """
        assert program(script, **plane.environ()).wait() == 0
        told = plane.of_type("checkpoint_saved")
        assert [saved["epoch"] for saved in told] == list(range(8))
        for saved in told:
            body = bucket.read(saved["uri"].removeprefix(bucket.uri("")))
            assert body == bytes([saved["epoch"]]) * 1_000_000
            assert hashlib.sha256(body).hexdigest() == saved["sha256"]

    @pytest.mark.parametrize(("copy", "expected"), [("False", [7]), ("True", list(range(8)))])
    def test_a_checkpoint_written_over_is_never_told_as_another(
        self, plane: ControlPlane, program: Start, copy: str, expected: list[int]
    ) -> None:
        plane.mode = "away"
        script = f"""
            import time
            import eventrain_trainer as et
            with et.start() as run:
                for epoch in range(8):
                    (run.work_dir / "last.bin").write_bytes(bytes([epoch]) * 1000)
                    run.checkpoint(run.work_dir / "last.bin", epoch=epoch, copy={copy})
                    time.sleep(0.02)
                print("saved", flush=True)
        """
        run = program(script, **plane.environ())
        plane.wait_for(lambda: "saved" in run.output)
        plane.mode = "up"

        assert run.wait() == 0
        assert [saved["epoch"] for saved in plane.of_type("checkpoint_saved")] == expected
