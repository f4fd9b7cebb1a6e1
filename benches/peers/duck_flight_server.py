"""DuckDB behind pyarrow's Flight server: the ticket is the text of the query, the rows are streamed."""

import json
import pathlib
import sys

from pyarrow import flight

import sides


class Server(flight.FlightServerBase):
    def __init__(self, location, connection):
        super().__init__(location)
        self.connection = connection

    def get_flight_info(self, context, descriptor):
        text = descriptor.command.decode()
        schema = self.connection.cursor().execute(f"SELECT * FROM ({text}) LIMIT 0").to_arrow_table().schema
        endpoint = flight.FlightEndpoint(flight.Ticket(descriptor.command), [])
        return flight.FlightInfo(schema, descriptor, [endpoint], -1, -1)

    def do_get(self, context, ticket):
        rows = self.connection.cursor().execute(ticket.ticket.decode())
        return flight.RecordBatchStream(rows.to_arrow_reader(65536))


if __name__ == "__main__":
    port, tables = sys.argv[1], json.loads(sys.argv[2])
    connection = sides.duck_connection({name: pathlib.Path(folder) for name, folder in tables.items()})
    Server(f"grpc://127.0.0.1:{port}", connection).serve()
