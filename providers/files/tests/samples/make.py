"""Writes the workbooks and the Parquet file beside it, with the programs that others write theirs with.

python3 -m venv venv && venv/bin/pip install openpyxl XlsxWriter pyarrow && venv/bin/python make.py
"""

import datetime
import decimal
import os

import openpyxl
import pyarrow
import pyarrow.parquet
import xlsxwriter

here = os.path.dirname(os.path.abspath(__file__))


def by_openpyxl():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Prices"
    sheet.append(["Article", "Price", "Since", "Changed", "Opens", "Active", "Note", 2024])
    for row in (
        ["A-1", 19.99, datetime.date(2024, 2, 29), datetime.datetime(2024, 3, 1, 12, 30, 15), datetime.time(8, 30), True, "ä & <b>", 1],
        ["A-2", 0.1 + 0.2, datetime.date(1900, 3, 1), datetime.datetime(1999, 12, 31, 23, 59, 59), datetime.time(0, 0), False, None, 2],
        [None] * 8,
        ["007", 1e-7, datetime.date(9999, 12, 31), datetime.datetime(2024, 1, 1), datetime.time(23, 59, 59), True, "two\nlines", 3],
    ):
        sheet.append(row)
    for row in range(2, 6):
        sheet.cell(row, 3).number_format = "DD.MM.YYYY"
        sheet.cell(row, 4).number_format = "yyyy-mm-dd hh:mm:ss"
        sheet.cell(row, 5).number_format = "hh:mm:ss"
    area = book.create_sheet("Budget")
    area["B2"] = "A title above the table"
    for at, row in enumerate((["Region", "Amount"], ["North", 100], ["South", 250.5])):
        area.cell(4 + at, 3, row[0])
        area.cell(4 + at, 4, row[1])
    area["C8"] = "Sum"
    area["D8"] = 350.5
    book.save(os.path.join(here, "openpyxl.xlsx"))
    unsaved = openpyxl.Workbook()
    unsaved.active.append(["a", "b"])
    unsaved.active.append([1, "=A2*2"])
    unsaved.save(os.path.join(here, "formula-without-result.xlsx"))


def by_xlsxwriter():
    book = xlsxwriter.Workbook(os.path.join(here, "xlsxwriter.xlsx"), {"date_1904": True, "strings_to_numbers": False})
    sheet = book.add_worksheet("Days 1904")
    day = book.add_format({"num_format": "d mmmm yyyy"})
    length = book.add_format({"num_format": "[h]:mm"})
    bold = book.add_format({"bold": True})
    sheet.write_row(0, 0, ["Day", "Double", "Text", "Length", "Failed"])
    sheet.write_datetime(1, 0, datetime.datetime(2024, 2, 29), day)
    sheet.write_formula(1, 1, "=1+1", None, 2)
    sheet.write_rich_string(1, 2, "one ", bold, "two", " three")
    sheet.write_number(1, 3, 1.5, length)
    sheet.write_formula(1, 4, "=1/0", None, "#DIV/0!")
    sheet.write_datetime(2, 0, datetime.datetime(1904, 1, 2), day)
    sheet.write_formula(2, 1, "=1/3", None, 0.3333333333333333)
    sheet.write_formula(2, 2, '=REPT("x",2)', None, "xx")
    sheet.write_number(2, 3, 0.25, length)
    book.close()


def by_pyarrow():
    numbers = list(range(1000))
    table = pyarrow.table(
        {
            "id": pyarrow.array(numbers, pyarrow.int64()),
            "small": pyarrow.array([n % 200 for n in numbers], pyarrow.uint8()),
            "amount": pyarrow.array([decimal.Decimal(n) / 100 for n in numbers], pyarrow.decimal128(13, 2)),
            "name": pyarrow.array([f"name {n:04}" for n in numbers]).dictionary_encode(),
            "at": pyarrow.array([n * 1_000_000_000 for n in numbers], pyarrow.timestamp("ns")),
            "zoned": pyarrow.array([n * 1_000 for n in numbers], pyarrow.timestamp("ms", "Europe/Berlin")),
            "tags": pyarrow.array([["a"] for _ in numbers], pyarrow.list_(pyarrow.string())),
        }
    )
    pyarrow.parquet.write_table(table, os.path.join(here, "pyarrow.parquet"), compression="zstd", row_group_size=100)
    fine = pyarrow.table({"at": pyarrow.array([1_000, 1_001], pyarrow.timestamp("ns"))})
    pyarrow.parquet.write_table(fine, os.path.join(here, "nanoseconds.parquet"))


by_openpyxl()
by_xlsxwriter()
by_pyarrow()
