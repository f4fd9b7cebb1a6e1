"""Who caused how much filtering compute: DBUs by user for a range of dates, as a table and a bar chart.

The query is the one of `../sql/billing_by_user.sql` with its two dates as parameters. With an
ordinary user's token it shows that user's own usage, with an account administrator's everybody's.

    WEIR_TOKEN=… python billing_by_user.py --from 2026-11-01 --to 2026-11-30
"""

import datetime
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

import adbc_driver_manager
import pyarrow
from adbc_query import connect, connection_arguments, require_token, text_table

SQL = """
SELECT usage_date,
       sku_name,
       identity_metadata.run_as,
       SUM(usage_quantity) AS `DBUs consumed by FGAC`
FROM system.billing.usage
WHERE usage_date BETWEEN ? AND ?
  AND billing_origin_product = 'FINE_GRAINED_ACCESS_CONTROL'
GROUP BY 1, 2, 3 ORDER BY 1
"""
BAR_WIDTH = 40


def usage(url: str, token: str, first: datetime.date, last: datetime.date) -> pyarrow.Table:
    """The rows of the billing query from `first` to `last`, both included."""
    with connect(url, token) as connection, connection.cursor() as cursor:
        cursor.execute(SQL, (first, last))
        return cursor.fetch_arrow_table()


def by_user(rows: pyarrow.Table) -> dict[str, Decimal]:
    """The sum of DBUs of each user, largest first."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for user, quantity in zip(
        rows["run_as"].to_pylist(), rows["DBUs consumed by FGAC"].to_pylist(), strict=True
    ):
        sums[user] += quantity
    return dict(sorted(sums.items(), key=lambda entry: (-entry[1], entry[0])))


def bar_chart(sums: Mapping[str, Decimal]) -> str:
    """One line a user: name, DBUs, and a bar as long as the user's share of the largest sum."""
    names = max(map(len, sums))
    longest = max(sums.values())
    lines = []
    for user, quantity in sums.items():
        length = int(BAR_WIDTH * quantity / longest) if longest > 0 else 0
        lines.append(f"{user:<{names}}  {quantity:f}  {'█' * max(length, 1)}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    parser = connection_arguments("Prints the DBUs that filtering cost, by user.")
    date = datetime.date.fromisoformat
    parser.add_argument("--from", dest="first", type=date, default=today - datetime.timedelta(days=30))
    parser.add_argument("--to", dest="last", type=date, default=today)
    arguments = parser.parse_args(argv)
    token = require_token(arguments)
    try:
        rows = usage(arguments.url, token, arguments.first, arguments.last)
    except adbc_driver_manager.Error as error:
        sys.exit(f"error: {error}")
    print(f"Filtering compute from {arguments.first} to {arguments.last}\n")
    if rows.num_rows == 0:
        print("No usage: no query touched a governed table in these days, or this token may not see it.")
        return
    print(text_table(rows))
    print(f"\nDBUs by user\n\n{bar_chart(by_user(rows))}")


if __name__ == "__main__":
    main()
