"""A Flight SQL client: the ADBC driver, driven by JSON. Its argument is the address.

The first line is a JSON object of the driver's options, of which those with a value count. Then it reads one JSON object per line and
answers one per line: {"query": SQL, "parameters": [...]} with {"columns", "rows"}; a parameter {"date": text}, and likewise time,
timestamp, decimal and bytes (as hexadecimal digits), is a value of that type; {"many": SQL, "rows": [[...], ...]} with executemany,
{"stream": SQL} with {"rows"} counted batch by batch, {"objects": depth} with the catalogue, {"schema": table} with a table's columns,
{"prepare": SQL} with the names and types of its parameters. A failure is {"error": message, "status": name}.
"""

import datetime
import decimal
import json
import sys

import warnings

import adbc_driver_flightsql.dbapi as flight_sql

# The door has no transactions, and the driver says so each time.
warnings.filterwarnings("ignore", message="Cannot disable autocommit")

address = sys.argv[1]

TYPES = {
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "timestamp": datetime.datetime.fromisoformat,
    "decimal": decimal.Decimal,
    "bytes": bytes.fromhex,
}


def typed(value):
    if isinstance(value, dict):
        ((name, text),) = value.items()
        return TYPES[name](text)
    return value


def typed_all(values):
    return None if values is None else [typed(value) for value in values]


def plain(value):
    if isinstance(value, (decimal.Decimal, datetime.date, datetime.time, datetime.datetime)):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    return value


def answer(connection, request):
    if "objects" in request:
        catalogue = connection.adbc_get_objects(depth=request["objects"]).read_all().to_pylist()
        return {"objects": catalogue}
    if "schema" in request:
        return {"columns": [[field.name, str(field.type)] for field in connection.adbc_get_table_schema(request["schema"])]}
    if "info" in request:
        return {"info": {str(key): str(value) for key, value in connection.adbc_get_info().items()}}
    if "types" in request:
        return {"types": connection.adbc_get_table_types()}
    with connection.cursor() as cursor:
        if "prepare" in request:
            schema = cursor.adbc_prepare(request["prepare"])
            return {"parameters": [] if schema is None else [[field.name, str(field.type)] for field in schema]}
        if "many" in request:
            cursor.executemany(request["many"], [typed_all(row) for row in request["rows"]])
            return {"rows": cursor.fetchall()}
        if "stream" in request:
            cursor.execute(request["stream"])
            reader = cursor.fetch_record_batch()
            return {"rows": sum(batch.num_rows for batch in reader)}
        cursor.execute(request["query"], typed_all(request.get("parameters")))
        table = cursor.fetch_arrow_table()
        return {
            "columns": [[field.name, str(field.type)] for field in table.schema],
            "rows": [[plain(value) for value in row.values()] for row in table.to_pylist()],
        }


options = {name: value for name, value in json.loads(sys.stdin.readline()).items() if value is not None}
for line in sys.stdin:
    request = json.loads(line)
    try:
        with flight_sql.connect(address, db_kwargs=options) as connection:
            result = answer(connection, request)
    except Exception as error:  # Every failure is an answer here: the test looks at it.
        status = getattr(getattr(error, "status_code", None), "name", None)
        result = {"error": str(error), "status": status}
    print(json.dumps(result, default=str), flush=True)
