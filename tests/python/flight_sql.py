"""A Flight SQL client: the ADBC driver, driven by JSON. Arguments: address, value of the authorization header.

Reads one JSON object per line and answers one per line: {"query": SQL, "parameters": [...]} with {"columns", "rows"},
{"stream": SQL} with {"rows"} counted batch by batch, {"objects": depth} with the catalogue, {"schema": table} with a table's columns,
{"prepare": SQL} with the schema of its result. A failure is {"error": message, "status": name}.
"""

import datetime
import decimal
import json
import sys

import adbc_driver_flightsql.dbapi as flight_sql

address, authorization = sys.argv[1], sys.argv[2]


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
            return {"parameters": None if schema is None else len(schema)}
        if "stream" in request:
            cursor.execute(request["stream"])
            reader = cursor.fetch_record_batch()
            return {"rows": sum(batch.num_rows for batch in reader)}
        cursor.execute(request["query"], request.get("parameters"))
        table = cursor.fetch_arrow_table()
        return {
            "columns": [[field.name, str(field.type)] for field in table.schema],
            "rows": [[plain(value) for value in row.values()] for row in table.to_pylist()],
        }


options = {"adbc.flight.sql.authorization_header": authorization} if authorization else {}
for line in sys.stdin:
    request = json.loads(line)
    try:
        with flight_sql.connect(address, db_kwargs=options) as connection:
            result = answer(connection, request)
    except Exception as error:  # Every failure is an answer here: the test looks at it.
        status = getattr(getattr(error, "status_code", None), "name", None)
        result = {"error": str(error), "status": status}
    print(json.dumps(result, default=str), flush=True)
