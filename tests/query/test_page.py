"""docs/queries.md says what the queries are: all of them, their columns, their parameters."""

import re
from pathlib import Path

import pytest

from answers import ANSWERS
from cat_normalize import query
from cat_normalize.core import layout, schema
from cat_normalize.query.period import DAYS

PAGE = (Path(__file__).parents[2] / "docs" / "queries.md").read_text()
SAID = {
    name: paragraph
    for paragraph in re.split(r"\n(?=- \*\*|\n)", PAGE)
    for name in re.findall(r"\*\*`(\w+)`\*\*", paragraph)
}


def test_every_query_is_explained_and_no_other():
    assert sorted(SAID) == query.names()


@pytest.mark.parametrize("name", query.names())
def test_the_columns_of_a_query_are_named_in_their_order(name):
    columns = list(ANSWERS[name][1])
    if name.startswith("by_"):  # those of overview, which are said there
        assert f"`{columns.pop(0)}`" in SAID[name]
    paragraph = SAID["overview" if name.startswith("by_") else name]
    named = [word for word in re.findall(r"`(\w+)`", paragraph) if word in columns]
    assert list(dict.fromkeys(named)) == columns


def test_questions_are_answered_by_queries_that_there_are():
    section = PAGE.split("## Ten questions")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+\?) \| (.+) \|$", section, re.MULTILINE)
    assert len(rows) == 10
    assert set(re.findall(r"`(\w+)`", " ".join(answer for _, answer in rows))) <= set(query.names())


def test_parameters_tables_and_places_are_those_of_the_code():
    section = PAGE.split("## Asking")[1]
    for name in query.names():
        for parameter in query.load(name).accepted:
            assert f"`{parameter.name}`" in section
    assert f"the {DAYS} days that end" in section
    assert f"`{layout.DATABASE}`, workgroup `{layout.WORKGROUP}`" in PAGE
    for table in schema.TABLES:
        [row] = re.findall(rf"^\| `{table.name}` \|.*$", PAGE, re.MULTILINE)
        assert set(re.findall(r"`(\w+)`", row)) <= {table.name, *table.names}
