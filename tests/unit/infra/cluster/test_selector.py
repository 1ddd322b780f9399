import pytest

from infra.local.cluster.selector import match_fields, match_labels
from infra.local.cluster.status import Refused


class TestMatchLabels:
    @pytest.mark.parametrize(
        ("selector", "matches"),
        [
            ("", True),
            ("a=1", True),
            ("a = 1 , b!=1", True),
            ("a==2", False),
            ("c!=1", True),
            ("c notin (1)", True),
            ("a in (2, 1)", True),
            ("c in (1)", False),
            ("example.org/b", True),
            ("!example.org/b", False),
            ("a=1,c", False),
        ],
    )
    def test_reads_each_form(self, selector: str, matches: bool) -> None:
        assert match_labels(selector)({"a": "1", "example.org/b": ""}) is matches

    @pytest.mark.parametrize("selector", ["a in", "a in (", "=1", "a<1", "a b"])
    def test_refuses_what_it_cannot_read(self, selector: str) -> None:
        with pytest.raises(Refused, match="unable to parse"):
            match_labels(selector)


class TestMatchFields:
    def test_follows_the_path(self) -> None:
        pod = {"metadata": {"name": "p"}, "status": {"phase": "Running"}}

        assert match_fields("metadata.name=p,status.phase!=Failed")(pod)
        assert not match_fields("status.phase=Failed")(pod)
        assert match_fields("spec.nodeName=")(pod)

    def test_refuses_a_field_that_is_not_indexed(self) -> None:
        with pytest.raises(Refused, match="not supported"):
            match_fields("spec.other=1")
