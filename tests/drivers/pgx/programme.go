// pgx v4: its statement cache (512 named statements), batches, transactions, COPY in binary, and its way to cancel.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
)

const sleeping = "select count(*)::text from pg_stat_activity where wait_event = 'PgSleep' and query like '%pgx sleeper%'"

func main() {
	fmt.Printf("version: %s\n", os.Getenv("PGX_VERSION"))
	check("parameters", checkParameters)
	check("many statements", checkManyStatements)
	check("explicit prepare", checkExplicitPrepare)
	check("batches", checkBatches)
	check("transactions", checkTransactions)
	check("savepoints", checkSavepoints)
	check("copy", checkCopy)
	check("cancel", checkCancel)
	check("notify", checkNotify)
	check("settings", checkSettings)
	check("settings at connect", checkSettingsAtConnect)
	check("cached plan", checkCachedPlan)
	check("newcomers see defaults", checkNewcomers)
	finish()
}

func checkParameters(ctx context.Context) (string, error) {
	return "", withConnections(ctx, func(index int, connection *pgx.Conn) error {
		for number := 0; number < rounds; number++ {
			var product int
			var text string
			err := connection.QueryRow(ctx, "select $1::int * 2, $2::text", index*1000+number,
				fmt.Sprint("text ", number)).Scan(&product, &text)
			if err := first(err, equal(product, (index*1000+number)*2, "product"), equal(text, fmt.Sprint("text ", number), "text"),
				expect(ctx, connection, fmt.Sprint("note ", index+1), "select note from cached where id = $1", index+1)); err != nil {
				return err
			}
		}
		return nil
	})
}

// More than the statement cache holds (512): pgx deallocates the oldest.
func checkManyStatements(ctx context.Context) (string, error) {
	return "", withConnections(ctx, func(index int, connection *pgx.Conn) error {
		if index >= 3 {
			return nil
		}
		for number := 0; number < 1200; number++ {
			if err := expect(ctx, connection, number%600+index,
				fmt.Sprintf("select (%d + $1::int)::text", number%600), index); err != nil {
				return err
			}
		}
		return nil
	})
}

func checkExplicitPrepare(ctx context.Context) (string, error) {
	return "", withConnections(ctx, func(index int, connection *pgx.Conn) error {
		if _, err := connection.Prepare(ctx, "mine", fmt.Sprintf("select ($1::int + %d)::text", index)); err != nil {
			return err
		}
		for number := 0; number < rounds; number++ {
			if err := expect(ctx, connection, number+index, "mine", number); err != nil {
				return err
			}
		}
		return connection.Deallocate(ctx, "mine")
	})
}

func checkBatches(ctx context.Context) (string, error) {
	return "", withConnections(ctx, func(index int, connection *pgx.Conn) error {
		for number := 0; number < rounds; number++ {
			batch := &pgx.Batch{}
			batch.Queue("insert into items values ($1, $2)", 700+index, "batch")
			batch.Queue("select count(*)::text from items where writer = $1", 700+index)
			batch.Queue("select $1::text", fmt.Sprint("text ", number))
			results := connection.SendBatch(ctx, batch)
			_, err := results.Exec()
			var count, text string
			err = first(err, results.QueryRow().Scan(&count), results.QueryRow().Scan(&text), results.Close())
			if err := first(err, equal(count, number+1, "rows"), equal(text, fmt.Sprint("text ", number), "text")); err != nil {
				return err
			}
		}
		return nil
	})
}

func checkTransactions(ctx context.Context) (string, error) {
	rollback := errors.New("rolls back")
	return "", withConnections(ctx, func(index int, connection *pgx.Conn) error {
		for number := 0; number < rounds; number++ {
			err := connection.BeginFunc(ctx, func(transaction pgx.Tx) error {
				_, err := transaction.Exec(ctx, "insert into items values ($1, $2)", index, "kept")
				return err
			})
			if err != nil {
				return err
			}
			err = connection.BeginTxFunc(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(transaction pgx.Tx) error {
				_, err := transaction.Exec(ctx, "insert into items values ($1, $2)", index, "lost")
				return first(err, expect(ctx, transaction, number+2, "select count(*)::text from items where writer = $1", index), rollback)
			})
			if !errors.Is(err, rollback) {
				return err
			}
		}
		return expect(ctx, connection, rounds, "select count(*)::text from items where writer = $1", index)
	})
}

func checkSavepoints(ctx context.Context) (string, error) {
	return "", withConnections(ctx, func(index int, connection *pgx.Conn) error {
		err := connection.BeginFunc(ctx, func(outer pgx.Tx) error {
			_, before := outer.Exec(ctx, "insert into items values ($1, 'before')", 500+index)
			inside := outer.BeginFunc(ctx, func(inner pgx.Tx) error {
				_, err := inner.Exec(ctx, "select 1 / $1::int", 0)
				return err
			})
			_, after := outer.Exec(ctx, "insert into items values ($1, 'after')", 500+index)
			return first(before, equal(sqlState(inside), "22012", "the error inside"), after)
		})
		found, queryError := rows(ctx, connection, "select note from items where writer = $1 order by note", 500+index)
		return first(err, queryError, equal(found, "[note=after note=before]", "rows around the savepoint"))
	})
}

func checkCopy(ctx context.Context) (string, error) {
	return "", withConnections(ctx, func(index int, connection *pgx.Conn) error {
		var values [][]interface{}
		text := ""
		for number := 0; number < 2000; number++ {
			values = append(values, []interface{}{index, number, fmt.Sprint("note ", number)})
			text += fmt.Sprintf("%d\t%d\tnote %d\n", index, number, number)
		}
		count, err := connection.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"id", "number", "note"},
			pgx.CopyFromRows(values))
		if err := first(err, equal(count, 2000, "copied rows")); err != nil {
			return err
		}
		var out bytes.Buffer
		_, err = connection.PgConn().CopyTo(ctx, &out,
			fmt.Sprintf("copy (select * from copied where id = %d order by number) to stdout", index))
		return first(err, equal(out.String() == text, true, "what came out is what went in"))
	})
}

// A context that ends closes a connection of pgx; CancelRequest is the way that keeps it.
func checkCancel(ctx context.Context) (string, error) {
	sleeper := make(chan *pgx.Conn, 1)
	return "", withConnections(ctx, func(index int, connection *pgx.Conn) error {
		if index == 0 {
			sleeper <- connection
			_, err := connection.Exec(ctx, "select pg_sleep(20) /* pgx sleeper */")
			return first(equal(sqlState(err), "57014", "the error of the cancelled query"),
				expect(ctx, connection, 7, "select $1::text", "7"))
		}
		if index == 1 {
			for expect(ctx, connection, 1, sleeping) != nil {
				if ctx.Err() != nil {
					return errors.New("the sleep did not happen")
				}
			}
			return (<-sleeper).PgConn().CancelRequest(ctx)
		}
		for number := 0; number < rounds*5; number++ {
			if err := expect(ctx, connection, number, "select $1::int::text", number); err != nil {
				return err
			}
		}
		return nil
	})
}

func checkNotify(ctx context.Context) (string, error) {
	all, closeAll, err := connect(ctx, connections, noParameters)
	if err != nil {
		return "", err
	}
	defer closeAll()
	if _, err := all[0].Exec(ctx, "listen pgx"); err != nil {
		return "", err
	}
	return "", forEach(all, func(index int, connection *pgx.Conn) error {
		if index == 0 {
			return receive(ctx, connection, 5*(connections-1))
		}
		for number := 0; number < 5; number++ {
			_, err := connection.Exec(ctx, "select pg_notify('pgx', $1)", fmt.Sprintf("from %d, %d", index, number))
			if err := first(err, expect(ctx, connection, number, "select $1::int::text", number)); err != nil {
				return err
			}
		}
		return nil
	})
}

func receive(ctx context.Context, connection *pgx.Conn, expected int) error {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	payloads := map[string]bool{}
	for received := 0; received < expected; received++ {
		notification, err := connection.WaitForNotification(waiting)
		if err != nil {
			return fmt.Errorf("%d notifications instead of %d: %w", received, expected, err)
		}
		payloads[notification.Payload] = true
	}
	_, err := connection.Exec(ctx, "unlisten *")
	return first(err, equal(len(payloads), expected, "different payloads"))
}

func expectSettings(ctx context.Context, connection *pgx.Conn, zone, name, memory, place string) error {
	return first(expect(ctx, connection, zone, "show timezone"), expect(ctx, connection, name, "show application_name"),
		expect(ctx, connection, memory, "show work_mem"), expect(ctx, connection, place, "select name from place"))
}

func checkSettings(ctx context.Context) (string, error) {
	all, closeAll, err := connect(ctx, connections, noParameters)
	if err != nil {
		return "", err
	}
	defer closeAll()
	compare := func(index int, connection *pgx.Conn) error {
		return expectSettings(ctx, connection, fmt.Sprintf("Etc/GMT+%d", index+1), fmt.Sprintf("client %d", index),
			fmt.Sprintf("%dMB", index+1), fmt.Sprintf("place_%d", index+1))
	}
	err = forEach(all, func(index int, connection *pgx.Conn) error {
		_, settings := connection.Exec(ctx, fmt.Sprintf("set timezone to 'Etc/GMT+%d'; set application_name to 'client %d'",
			index+1, index))
		_, memory := connection.Exec(ctx, "select set_config('work_mem', $1, false)", fmt.Sprintf("%dMB", index+1))
		_, place := connection.Exec(ctx, fmt.Sprintf("set search_path to place_%d", index+1))
		return first(settings, memory, place)
	})
	for round := 0; round < 5 && err == nil; round++ {
		err = forEach(all, compare)
	}
	if err != nil {
		return "", err
	}
	err = forEach(all, func(index int, connection *pgx.Conn) error {
		return connection.BeginFunc(ctx, func(transaction pgx.Tx) error {
			_, err := transaction.Exec(ctx, "set local work_mem to '77MB'")
			return first(err, expect(ctx, transaction, "77MB", "show work_mem"))
		})
	})
	return "", first(err, forEach(all, compare))
}

func checkSettingsAtConnect(ctx context.Context) (string, error) {
	all, closeAll, err := connect(ctx, connections, func(index int) map[string]string {
		return map[string]string{"timezone": fmt.Sprintf("Etc/GMT-%d", index+1), "application_name": fmt.Sprintf("started %d", index),
			"work_mem": fmt.Sprintf("%dMB", index+1), "search_path": fmt.Sprintf("place_%d", index+1)}
	})
	if err != nil {
		return "", err
	}
	defer closeAll()
	for round := 0; round < 3 && err == nil; round++ {
		err = forEach(all, func(index int, connection *pgx.Conn) error {
			return expectSettings(ctx, connection, fmt.Sprintf("Etc/GMT-%d", index+1), fmt.Sprintf("started %d", index),
				fmt.Sprintf("%dMB", index+1), fmt.Sprintf("place_%d", index+1))
		})
	}
	return "", err
}

func checkCachedPlan(ctx context.Context) (string, error) {
	const query = "select * from cached where id = $1"
	all, closeAll, err := connect(ctx, connections+2, noParameters)
	if err != nil {
		return "", err
	}
	defer closeAll()
	cached, ddl, newcomer := all[:connections], all[connections], all[connections+1]
	for round := 0; round < 3 && err == nil; round++ {
		err = forEach(cached, func(index int, connection *pgx.Conn) error {
			found, err := rows(ctx, connection, query, index+1)
			return first(err, equal(found, fmt.Sprintf("[id=%d note=note %d]", index+1, index+1), "row"))
		})
	}
	if err != nil {
		return "", err
	}
	if _, err := ddl.Exec(ctx, "alter table cached add column extra int default 5"); err != nil {
		return "", err
	}
	for round := 0; round < 2; round++ {
		found, err := rows(ctx, newcomer, query, 1)
		if err != nil {
			return "", fmt.Errorf("a newcomer: %w", err)
		}
		if err := equal(found, "[id=1 note=note 1 extra=5]", "a newcomer's row"); err != nil {
			return "", err
		}
	}
	var mutex sync.Mutex
	outcomes := map[string]bool{}
	err = forEach(cached, func(index int, connection *pgx.Conn) error {
		outcome, err := again(ctx, connection, query, index)
		mutex.Lock()
		defer mutex.Unlock()
		outcomes[outcome] = true
		return err
	})
	return "after DDL it gets " + joined(outcomes), err
}

func again(ctx context.Context, connection *pgx.Conn, query string, index int) (string, error) {
	for attempt := 0; attempt < 3; attempt++ {
		found, err := rows(ctx, connection, query, index+1)
		if err == nil {
			outcome := "the new rows"
			if attempt > 0 {
				outcome = fmt.Sprintf("0A000 %d times, then the new rows", attempt)
			}
			return outcome, equal(found, fmt.Sprintf("[id=%d note=note %d extra=5]", index+1, index+1), "row after DDL")
		}
		if sqlState(err) != "0A000" {
			return "", err
		}
	}
	return "", errors.New("0A000 three times")
}

func checkNewcomers(ctx context.Context) (string, error) {
	return "", withConnections(ctx, func(_ int, connection *pgx.Conn) error {
		return first(expect(ctx, connection, "4MB", "show work_mem"), expect(ctx, connection, "", "show application_name"),
			expect(ctx, connection, `"$user", public`, "show search_path"))
	})
}

func sqlState(err error) string {
	var serverError *pgconn.PgError
	if errors.As(err, &serverError) {
		return serverError.Code
	}
	return fmt.Sprint(err)
}

func joined(words map[string]bool) string {
	var list []string
	for word := range words {
		list = append(list, word)
	}
	sort.Strings(list)
	return strings.Join(list, " or ")
}
