package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v4"
)

const (
	connections = 8
	rounds      = 20
	patience    = 20 * time.Second // longer than anything here takes; only a failure waits for so long
)

var failed bool

// check runs one check with a deadline and prints its line; a string that it returns is printed as a note.
func check(name string, function func(context.Context) (string, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	note, err := function(ctx)
	if err != nil {
		failed = true
		fmt.Printf("%s: FAILED: %s\n", name, strings.Join(strings.Fields(err.Error()), " "))
		return
	}
	fmt.Printf("%s: ok\n", name)
	if note != "" {
		fmt.Printf("note: %s: %s\n", name, note)
	}
}

// connect opens a number of connections; the function it returns closes them all.
func connect(ctx context.Context, count int, parameters func(index int) map[string]string) ([]*pgx.Conn, func(), error) {
	var found []*pgx.Conn
	closeAll := func() {
		for _, connection := range found {
			connection.Close(context.Background())
		}
	}
	for index := 0; index < count; index++ {
		config, err := pgx.ParseConfig("sslmode=disable")
		if err == nil {
			for name, value := range parameters(index) {
				config.RuntimeParams[name] = value
			}
			var connection *pgx.Conn
			if connection, err = pgx.ConnectConfig(ctx, config); err == nil {
				found = append(found, connection)
			}
		}
		if err != nil {
			closeAll()
			return nil, nil, err
		}
	}
	return found, closeAll, nil
}

func noParameters(int) map[string]string { return nil }

type work func(index int, connection *pgx.Conn) error

// forEach runs the work for each connection in a goroutine of its own and returns the first error after all have ended.
func forEach(connections []*pgx.Conn, function work) error {
	errors := make([]error, len(connections))
	var group sync.WaitGroup
	for index, connection := range connections {
		group.Add(1)
		go func(index int, connection *pgx.Conn) {
			defer group.Done()
			errors[index] = function(index, connection)
		}(index, connection)
	}
	group.Wait()
	for _, err := range errors {
		if err != nil {
			return err
		}
	}
	return nil
}

// withConnections runs the work over eight new connections.
func withConnections(ctx context.Context, function work) error {
	all, closeAll, err := connect(ctx, connections, noParameters)
	if err != nil {
		return err
	}
	defer closeAll()
	return forEach(all, function)
}

func equal(actual, expected interface{}, what string) error {
	if a, e := fmt.Sprint(actual), fmt.Sprint(expected); a != e {
		return fmt.Errorf("%s: %s instead of %s", what, a, e)
	}
	return nil
}

// expect runs a query that gives one row of one column and compares it.
func expect(ctx context.Context, queryer interface {
	QueryRow(context.Context, string, ...interface{}) pgx.Row
}, expected interface{}, sql string, parameters ...interface{}) error {
	var found string
	err := queryer.QueryRow(ctx, sql, parameters...).Scan(&found)
	if err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return equal(found, expected, sql)
}

// rows gives every row with its columns by name, as text.
func rows(ctx context.Context, connection *pgx.Conn, sql string, parameters ...interface{}) ([]string, error) {
	result, err := connection.Query(ctx, sql, parameters...)
	if err != nil {
		return nil, err
	}
	defer result.Close()
	var found []string
	for result.Next() {
		values, err := result.Values()
		if err != nil {
			return nil, err
		}
		row := ""
		for index, field := range result.FieldDescriptions() {
			row += fmt.Sprintf("%s=%v ", field.Name, values[index])
		}
		found = append(found, strings.TrimSpace(row))
	}
	return found, result.Err()
}

func first(errors ...error) error {
	for _, err := range errors {
		if err != nil {
			return err
		}
	}
	return nil
}

func finish() {
	if failed {
		os.Exit(1)
	}
}
