// Package client asks the demo server with the Go driver of ADBC itself.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

type connections struct {
	URL    string            `json:"url"`
	Tokens map[string]string `json:"tokens"`
}

func connect(t *testing.T, user string) adbc.Connection {
	t.Helper()
	text, err := os.ReadFile(os.Getenv("WEIR_CONNECTIONS_FILE"))
	if err != nil {
		t.Fatal(err)
	}
	var known connections
	if err := json.Unmarshal(text, &known); err != nil {
		t.Fatal(err)
	}
	database, err := flightsql.NewDriver(memory.DefaultAllocator).NewDatabase(map[string]string{
		adbc.OptionKeyURI:                  known.URL,
		flightsql.OptionAuthorizationHeader: "Bearer " + known.Tokens[user],
		flightsql.OptionCookieMiddleware:    adbc.OptionValueEnabled,
	})
	if err != nil {
		t.Fatal(err)
	}
	connection, err := database.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// count runs sql and returns the number of rows.
func count(t *testing.T, connection adbc.Connection, sql string) (int64, error) {
	t.Helper()
	statement, err := connection.NewStatement()
	if err != nil {
		t.Fatal(err)
	}
	defer statement.Close()
	if err := statement.SetSqlQuery(sql); err != nil {
		return 0, err
	}
	reader, _, err := statement.ExecuteQuery(context.Background())
	if err != nil {
		return 0, err
	}
	defer reader.Release()
	var rows int64
	for reader.Next() {
		rows += reader.Record().NumRows()
	}
	return rows, reader.Err()
}

func TestRowsAreThoseOfTheUser(t *testing.T) {
	all, err := count(t, connect(t, "alice"), "SELECT * FROM hr.people.employees")
	if err != nil {
		t.Fatal(err)
	}
	some, err := count(t, connect(t, "bob"), "SELECT * FROM hr.people.employees")
	if err != nil {
		t.Fatal(err)
	}
	if some == 0 || some >= all {
		t.Fatalf("bob sees %d of %d rows", some, all)
	}
}

func TestSessionBeginsWhereItIsTold(t *testing.T) {
	connection := connect(t, "alice")
	options := connection.(adbc.PostInitOptions)
	if err := options.SetOption(adbc.OptionKeyCurrentCatalog, "hr"); err != nil {
		t.Fatal(err)
	}
	if err := options.SetOption(adbc.OptionKeyCurrentDbSchema, "people"); err != nil {
		t.Fatal(err)
	}
	if rows, err := count(t, connection, "SELECT * FROM employees LIMIT 3"); err != nil || rows != 3 {
		t.Fatal(rows, err)
	}
}

func TestErrorsAreOfTheirKind(t *testing.T) {
	connection := connect(t, "alice")
	for sql, wanted := range map[string]adbc.Status{
		"SELECT nope FROM hr.people.employees": adbc.StatusInvalidArgument,
		"SELECT * FROM nowhere.x.y":            adbc.StatusNotFound,
		"DROP TABLE hr.people.employees":       adbc.StatusUnauthorized,
	} {
		_, err := count(t, connection, sql)
		var told adbc.Error
		if !errors.As(err, &told) || told.Code != wanted {
			t.Errorf("%s: %v", sql, err)
		}
		if !strings.Contains(told.Msg, "SQLSTATE") || len(told.Details) == 0 {
			t.Errorf("%s: no SQLSTATE or no details: %v", sql, told)
		}
	}
}

func TestMetadataGoesDownToColumns(t *testing.T) {
	reader, err := connect(t, "alice").GetObjects(context.Background(), adbc.ObjectDepthAll, nil, nil, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	names := map[string]bool{}
	for reader.Next() {
		catalogs := reader.Record().Column(0).(*array.String)
		for row := 0; row < catalogs.Len(); row++ {
			names[catalogs.Value(row)] = true
		}
	}
	if !names["hr"] || reader.Err() != nil {
		t.Fatal(names, reader.Err())
	}
}
