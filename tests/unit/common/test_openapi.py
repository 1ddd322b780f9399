import jsonschema
import msgspec

from common import answers, envelope, errors, openapi


class Beat(msgspec.Struct):
    sequence: int


class Told(msgspec.Struct):
    command: str


OPERATION = openapi.Operation("POST", "/v1/jobs/{jobId}/heartbeat", "Beat", Beat, Told)


class TestADocument:
    def test_describes_a_call_in_the_envelope(self) -> None:
        document = openapi.document("heartbeat", [OPERATION])
        path = document["paths"]["/v1/jobs/{jobId}/heartbeat"]
        assert path["parameters"][0]["name"] == "jobId"
        call = path["post"]
        body = call["requestBody"]["content"]["application/json"]["schema"]
        assert body == {"$ref": "#/components/schemas/Beat"}
        shown = call["responses"]["200"]["content"]["application/json"]["schema"]
        assert shown["properties"]["data"] == {"$ref": "#/components/schemas/Told"}
        assert set(document["components"]["schemas"]) == {"Beat", "Told"}

    def test_declares_every_status_of_the_table(self) -> None:
        assert set(openapi.ERRORS) == {answer.http for answer in answers.TABLE.values()}

    def test_describes_failures_as_they_are(self) -> None:
        for error in (errors.NotFound(), errors.StaleAttempt(), errors.Invalid([]), KeyError()):
            body = msgspec.json.decode(answers.http_answer(error)[2])
            jsonschema.validate(body, openapi.FAILURE)
        jsonschema.validate(msgspec.json.decode(envelope.failure("No.")), openapi.FAILURE)
