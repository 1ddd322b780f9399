import base64
import json
from dataclasses import asdict
from pathlib import Path

import jwt

from infra.local import credential


class TestCredentials:
    def test_are_made_once_and_kept_for_our_eyes(self, tmp_path: Path) -> None:
        file = tmp_path / "secrets.json"
        made = credential.load_or_make(file)
        assert credential.load_or_make(file) == made
        assert file.stat().st_mode & 0o777 == 0o600

    def test_gain_what_an_earlier_version_did_not_have(self, tmp_path: Path) -> None:
        file = tmp_path / "secrets.json"
        made = json.loads(json.dumps(asdict(credential.load_or_make(file))))
        file.write_text(json.dumps({k: v for k, v in made.items() if k != "receipt_keys"}))
        gained = credential.load_or_make(file)
        assert gained.receipt_keys
        assert gained.user_token_keys == made["user_token_keys"]
        assert credential.load_or_make(file) == gained

    def test_are_not_printed(self, tmp_path: Path) -> None:
        made = credential.load_or_make(tmp_path / "secrets.json")
        for secret in (made.postgres_password, made.s3_secret_access_key, made.user_token_keys):
            assert secret not in repr(made)

    def test_the_user_is_admin_of_the_one_project(self, tmp_path: Path) -> None:
        made = credential.load_or_make(tmp_path / "secrets.json")
        token = credential.user_token(made)
        ring = json.loads(made.user_token_keys)
        kid = jwt.get_unverified_header(token)["kid"]
        key = base64.b64decode(ring["keys"][kid]["secret"])
        claims = jwt.decode(token, key, ["HS256"], audience="eventrain-api", issuer="eventrain")
        assert claims["projects"] == {made.project_id: "admin"}
