"""What counts as an equal answer: `python tests/bench/compare_test.py`."""

import datetime
import unittest
from decimal import Decimal

from compare import difference, equal


class Values(unittest.TestCase):
    def test_decimals_are_compared_at_the_lesser_scale_to_half_a_unit(self):
        self.assertTrue(equal(Decimal("0.05014459706340077136"), Decimal("0.050145")))
        self.assertFalse(equal(Decimal("0.05014459706340077136"), Decimal("0.050144")))
        self.assertTrue(equal(Decimal("1.5"), Decimal("2")))
        self.assertFalse(equal(Decimal("1.51"), Decimal("1")))
        self.assertFalse(equal(Decimal("10.01"), Decimal("10.02")))

    def test_everything_else_is_compared_exactly(self):
        self.assertTrue(equal(3, Decimal("3.00")))
        self.assertFalse(equal(3, Decimal("3.01")))
        self.assertFalse(equal(Decimal("3.00"), 3.0))
        self.assertFalse(equal("a", "a "))
        self.assertFalse(equal(None, 0))
        self.assertTrue(equal(None, None))
        self.assertFalse(equal(datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1)))


class Answers(unittest.TestCase):
    expected = (["name", "n"], [("b", 2), ("a", 2), ("c", 1)])

    def test_rows_that_tie_may_stand_in_any_order(self):
        self.assertIsNone(difference(self.expected, (["name", "n"], [("a", 2), ("b", 2), ("c", 1)]), [1]))

    def test_other_rows_may_not(self):
        self.assertIn("row 1", difference(self.expected, (["name", "n"], [("c", 1), ("a", 2), ("b", 2)]), [1]))
        self.assertIn("row 1", difference(self.expected, (["name", "n"], [("a", 2), ("b", 2), ("c", 1)]), [0]))

    def test_names_and_numbers_of_rows_count(self):
        self.assertIn("columns", difference(self.expected, (["name", "m"], self.expected[1]), [1]))
        self.assertIn("2 rows instead of 3", difference(self.expected, (["name", "n"], self.expected[1][:2]), [1]))
        self.assertIn("n: 3", difference(self.expected, (["name", "n"], [("b", 2), ("a", 3), ("c", 1)]), []))


if __name__ == "__main__":
    unittest.main()
