"""docs/drop_in.md says what is built."""

from tests.docs.drop_in import PAGE, replaced, table


def test_the_table_is_what_is_built_and_run():
    page = PAGE.read_text()
    assert page == replaced(page, table())
