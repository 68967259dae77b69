"""docs/promises.md against the tests: every promise of the table has tests, and these name the promise."""

import ast
import pathlib
import re
import unittest

HERE = pathlib.Path(__file__).resolve().parent
TABLE = HERE.parent.parent / "docs" / "promises.md"
ROW = re.compile(r"\| (\d+) \| (.+?) \| (.+) \|")
TEST_NAME = re.compile(r"`(\w+\.\w+\.test_\w+)`")

def table():
    """{promise: names of its tests} as the document has it."""
    rows = (ROW.fullmatch(line) for line in TABLE.read_text().splitlines())
    return {int(row[1]): set(TEST_NAME.findall(row[3])) for row in rows if row}


def tests_in(path):
    """(name, docstring) of each test of a module."""
    for case in ast.parse(path.read_text()).body:
        if isinstance(case, ast.ClassDef):
            for method in case.body:
                if isinstance(method, ast.FunctionDef) and method.name.startswith("test_"):
                    yield f"{path.stem}.{case.name}.{method.name}", ast.get_docstring(method) or ""


def named_by_tests():
    """{promise: names of the tests that name it}"""
    named = {}
    for path in sorted(HERE.glob("*_test.py")):
        for name, text in tests_in(path):
            for number in re.findall(r"\bpromise (\d+)", text):
                named.setdefault(int(number), set()).add(name)
    return named


class Promises(unittest.TestCase):
    def test_the_table_has_rows_and_no_number_twice(self):
        numbers = [int(row[1]) for row in map(ROW.fullmatch, TABLE.read_text().splitlines()) if row]
        self.assertGreater(len(numbers), 30)
        self.assertEqual(sorted(set(numbers)), sorted(numbers))

    def test_every_promise_has_a_test(self):
        for number, tests in table().items():
            self.assertTrue(tests, f"promise {number}")

    def test_every_test_in_the_table_exists_and_names_its_promise(self):
        named = named_by_tests()
        for number, tests in table().items():
            self.assertEqual(tests - named.get(number, set()), set(), f"promise {number}")


if __name__ == "__main__":
    unittest.main()
