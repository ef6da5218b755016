"""Runs queries in ClickHouse: reads {"tables": [{"ddl", "name", "rows"}], "queries": […]} from
standard input and prints one line for each query: its result in the format JSON, or an error."""

import json
import sys
import tempfile

from chdb import session

asked = json.load(sys.stdin)
with tempfile.TemporaryDirectory() as folder:
    clickhouse = session.Session(folder)
    for table in asked["tables"]:
        clickhouse.query(table["ddl"])
        if not table["rows"]:
            continue
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", dir=folder) as file:
            for row in table["rows"]:
                file.write(json.dumps(row) + "\n")
            file.flush()
            clickhouse.query(
                f"INSERT INTO {table['name']} SELECT * FROM file('{file.name}', JSONEachRow)")
    settings = ("SETTINGS output_format_json_quote_64bit_integers = 0, "
                "session_timezone = 'UTC', enable_analyzer = 1, "
                "max_threads = 1")  # so that rows without an order come as they are stored
    for query in asked["queries"]:
        try:
            result = str(clickhouse.query(f"{query} {settings}", "JSON"))
            print(json.dumps(json.loads(result)))
        except Exception as error:
            print(json.dumps({"error": str(error)}))
