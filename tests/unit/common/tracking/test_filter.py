"""MLflow's filter language: what it says, and what it cannot say."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Invalid
from common.tracking import name
from common.tracking.filter import MOST_TERMS, Term, Unsayable, parse, render


class TestParse:
    @pytest.mark.parametrize(
        ("text", "term"),
        [
            ("metrics.loss < 0.2", Term("metric", "loss", "<", number=0.2)),
            ("metric.loss<=-1e-3", Term("metric", "loss", "<=", number=-1e-3)),
            ("metrics.eval/loss <> 3", Term("metric", "eval/loss", "!=", number=3)),
            ('metrics."f1 score" > .5', Term("metric", "f1 score", ">", number=0.5)),
            ("params.`a.b-c` = 'x'", Term("param", "a.b-c", "=", text="x")),
            ('parameters.model != "a tree"', Term("param", "model", "!=", text="a tree")),
            ("tags.team like 'v%'", Term("tag", "team", "LIKE", text="v%")),
            ("tag.team ILIKE 'V_'", Term("tag", "team", "ILIKE", text="V_")),
            ("params.opt IN ('adam', 'sgd')", Term("param", "opt", "IN", texts=("adam", "sgd"))),
            ("tags.t not in ('a')", Term("tag", "t", "NOT IN", texts=("a",))),
            ("status = 'FINISHED'", Term("attribute", "status", "=", text="completed")),
            ("attributes.status != 'Running'", Term("attribute", "status", "!=", text="running")),
            ("attr.run_name = 'first'", Term("attribute", "run_name", "=", text="first")),
            ("attributes.`Run name` = 'x'", Term("attribute", "run_name", "=", text="x")),
            ("start_time >= 1700000000000", Term("attribute", "start_time", ">=", number=1.7e12)),
        ],
    )
    def test_reads(self, text: str, term: Term) -> None:
        assert parse(text) == [term]

    def test_takes_several_that_must_all_hold(self) -> None:
        terms = parse("metrics.a > 1 AND params.b = 'and' and tags.c = 'x AND y'")
        assert [(term.key, term.text) for term in terms] == [
            ("a", None),
            ("b", "and"),
            ("c", "x AND y"),
        ]

    @pytest.mark.parametrize("text", ["", "  ", "\n"])
    def test_takes_nothing_for_no_condition(self, text: str) -> None:
        assert parse(text) == []

    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("metrics.loss", "ends where a comparison is missing"),
            ("metrics.loss <", "ends where a number is missing"),
            ("metrics.loss < 'x'", "no number"),
            ("metrics.loss < 1e999", "too large"),
            ("metrics.loss LIKE 'x'", "it knows"),
            ("params.a = 3", "no text in quotes"),
            ("params.a < 'x'", "it knows"),
            ("params.a IN 'x'", "no list in parentheses"),
            ("params.a IN ('x'", "ends where"),
            ("params.a IN ('x' 'y')", "does not end"),
            ("metrics.a > 1 or metrics.b > 1", "only AND can stand"),
            ("metrics.a > 1 and", "ends where a name is missing"),
            ("metrics.a > 1 metrics.b > 1", "only AND can stand"),
            ("datasets.name = 'x'", "speaks of 'datasets'"),
            ("color = 'x'", "speaks of the attribute 'color'"),
            ("status = 'happy'", "speaks of the status 'happy'"),
            ("status LIKE 'F%'", "it knows"),
            ("metrics. > 1", "where a name must stand"),
            ("metrics.`` > 1", "empty"),
            ("params.a = 'x", "cannot be read from"),
            ("params.a IS NULL", "it knows"),
            ("; drop table runs", "cannot be read from"),
            ("= 3", "where a name must stand"),
            ("and", "attribute 'and'"),
            (" and ".join(["metrics.a > 1"] * (MOST_TERMS + 1)), "at most"),
        ],
    )
    def test_refuses_what_it_cannot_read(self, text: str, word: str) -> None:
        with pytest.raises(Invalid, match=r"^filterString: ") as refused:
            parse(text)
        assert word in refused.value.message

    @given(st.text(max_size=200))
    def test_reads_or_refuses_whatever_comes(self, text: str) -> None:
        with suppress(Invalid):
            parse(text)


class TestRender:
    @pytest.mark.parametrize(
        ("text", "theirs"),
        [
            ("metric.loss<0.2", "metrics.loss < 0.2"),
            ("status = 'killed'", "attributes.status = 'KILLED'"),
            ("metrics.`eval/loss` > 1", "metrics.`eval/loss` > 1.0"),
            ("metrics.`top@5` > 1", f"metrics.{name.key('top@5')} > 1.0"),
            ('params.a = "it\'s"', 'params.a = "it\'s"'),
            ("tags.a NOT IN ('x', 'y')", "tags.a != 'x' AND tags.a != 'y'"),
            ("tags.a IN ('x')", "tags.a = 'x'"),
            ("run_id IN ('a', 'b')", "attributes.run_id IN ('a', 'b')"),
            ("end_time < 1700000000000", "attributes.end_time < 1700000000000"),
            ("", ""),
        ],
    )
    def test_says_the_same_to_mlflow(self, text: str, theirs: str) -> None:
        assert render(parse(text)) == theirs

    @pytest.mark.parametrize("text", ["params.a IN ('x', 'y')", "params.a = 'C:\\'"])
    def test_leaves_what_mlflow_could_misread_to_us(self, text: str) -> None:
        with pytest.raises(Unsayable):
            render(parse(text))

    @given(st.text(min_size=1, max_size=20), st.text(max_size=20))
    def test_is_read_as_what_it_says(self, key: str, text: str) -> None:
        term = Term("param", name.key(key), "=", text=text)
        try:
            said = render([term])
        except Unsayable:
            return
        assert parse(said) == [term]
