//! tokio-postgres: statements prepared once and for each query, pipelines by joined futures, transactions that end by drop.

mod checks;

use std::collections::BTreeSet;

use checks::{all, check, connect, connect_all, equal, state_of, Connection, Outcome, CONNECTIONS, PATIENCE, ROUNDS};
use futures_util::future::try_join_all;
use futures_util::{pin_mut, SinkExt, TryStreamExt};
use tokio_postgres::{Client, IsolationLevel, NoTls, Statement};

type Checked = Outcome<Option<String>>;

const SLEEPING: &str =
    "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like '%tokio-postgres sleeper%'";
const WHOLE: &str = "select * from cached where id = $1";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("version: {}", std::env::var("TOKIO_POSTGRES_VERSION").unwrap_or_default());
    let results = [
        check("parameters", parameters()).await,
        check("prepared statements", prepared_statements()).await,
        check("pipelines", pipelines()).await,
        check("transactions", transactions()).await,
        check("savepoints", savepoints()).await,
        check("portals", portals()).await,
        check("copy", copy()).await,
        check("cancel", cancel()).await,
        check("notify", notify()).await,
        check("settings", settings()).await,
        check("settings at connect", settings_at_connect()).await,
        check("cached plan", cached_plan()).await,
        check("newcomers see defaults", newcomers_see_defaults()).await,
    ];
    std::process::exit(i32::from(results.contains(&false)));
}

async fn show(client: &Client, name: &str) -> Outcome<String> {
    Ok(client.query_one(&format!("show {name}"), &[]).await?.get(0))
}

async fn parameters() -> Checked {
    let connections = connect_all().await?;
    all(connections
        .iter()
        .enumerate()
        .map(|(index, Connection { client, .. })| async move {
            let index = index as i32;
            for number in 0..ROUNDS {
                let row = client
                    .query_one(
                        "select $1::int * 2, $2::text",
                        &[&(index * 1000 + number), &format!("text {number}")],
                    )
                    .await?;
                equal(row.get::<_, i32>(0), (index * 1000 + number) * 2, "product")?;
                equal(row.get::<_, String>(1), format!("text {number}"), "text")?;
                let row = client
                    .query_typed(
                        "select note from cached where id = $1",
                        &[(&(index + 1), tokio_postgres::types::Type::INT4)],
                    )
                    .await?;
                equal(row[0].get::<_, String>(0), format!("note {}", index + 1), "note")?;
            }
            Ok(())
        }))
    .await?;
    Ok(None)
}

async fn prepared_statements() -> Checked {
    let connections = connect_all().await?;
    all(connections
        .iter()
        .enumerate()
        .map(|(index, Connection { client, .. })| async move {
            let sum = client.prepare(&format!("select $1::int + {index}")).await?;
            let note = client.prepare("select note from cached where id = $1").await?;
            for number in 0..ROUNDS {
                equal(
                    client.query_one(&sum, &[&number]).await?.get::<_, i32>(0),
                    number + index as i32,
                    "sum",
                )?;
                let id = number % 8 + 1;
                equal(
                    client.query_one(&note, &[&id]).await?.get::<_, String>(0),
                    format!("note {id}"),
                    "note",
                )?;
            }
            Ok(())
        }))
    .await?;
    Ok(None)
}

async fn pipelines() -> Checked {
    let connections = connect_all().await?;
    all(connections.iter().map(|Connection { client, .. }| async move {
        let product = client.prepare("select $1::int * 3").await?;
        let numbers: Vec<i32> = (0..50).collect();
        let rows = try_join_all(
            numbers
                .iter()
                .map(|number| async { client.query_one(&product, &[number]).await }),
        )
        .await?;
        let found: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        equal(found, numbers.iter().map(|number| number * 3).collect(), "answers in order")
    }))
    .await?;
    Ok(None)
}

async fn transactions() -> Checked {
    let mut connections = connect_all().await?;
    all(connections
        .iter_mut()
        .enumerate()
        .map(|(index, Connection { client, .. })| async move {
            let writer = index as i32;
            let insert = client.prepare("insert into items values ($1, $2)").await?;
            let count = client.prepare("select count(*) from items where writer = $1").await?;
            for number in 0..i64::from(ROUNDS) {
                let transaction = client.transaction().await?;
                transaction.execute(&insert, &[&writer, &"kept"]).await?;
                transaction.commit().await?;
                let transaction = client
                    .build_transaction()
                    .isolation_level(IsolationLevel::RepeatableRead)
                    .start()
                    .await?;
                transaction.execute(&insert, &[&writer, &"lost"]).await?;
                equal(
                    transaction.query_one(&count, &[&writer]).await?.get::<_, i64>(0),
                    number + 2,
                    "own rows",
                )?;
                if number % 2 == 0 {
                    transaction.rollback().await?;
                } // else it is dropped: the driver sends ROLLBACK and does not wait
            }
            equal(
                client.query_one(&count, &[&writer]).await?.get::<_, i64>(0),
                i64::from(ROUNDS),
                "rows in the end",
            )
        }))
    .await?;
    Ok(None)
}

async fn savepoints() -> Checked {
    let mut connections = connect_all().await?;
    all(connections
        .iter_mut()
        .enumerate()
        .map(|(index, Connection { client, .. })| async move {
            let writer = 500 + index as i32;
            let mut outer = client.transaction().await?;
            outer.execute("insert into items values ($1, 'before')", &[&writer]).await?;
            let inner = outer.transaction().await?;
            equal(
                state_of(inner.query("select 1 / $1::int", &[&0]).await),
                "22012".to_string(),
                "the error inside",
            )?;
            inner.rollback().await?;
            outer.execute("insert into items values ($1, 'after')", &[&writer]).await?;
            outer.commit().await?;
            let rows = client
                .query("select note from items where writer = $1 order by note", &[&writer])
                .await?;
            equal(
                rows.iter().map(|row| row.get::<_, String>(0)).collect(),
                vec!["after".to_string(), "before".to_string()],
                "rows",
            )
        }))
    .await?;
    Ok(None)
}

async fn portals() -> Checked {
    let mut connections = connect_all().await?;
    all(connections
        .iter_mut()
        .enumerate()
        .map(|(index, Connection { client, .. })| async move {
            let index = index as i32;
            let transaction = client.transaction().await?;
            let portal = transaction
                .bind("select n + $1 from generate_series(1, 500) n", &[&index])
                .await?;
            let mut found: Vec<i32> = Vec::new();
            loop {
                let rows = transaction.query_portal(&portal, 60).await?;
                if rows.is_empty() {
                    break;
                }
                found.extend(rows.iter().map(|row| row.get::<_, i32>(0)));
            }
            transaction.commit().await?;
            equal(found, (1 + index..=500 + index).collect(), "rows by portal")
        }))
    .await?;
    Ok(None)
}

async fn copy() -> Checked {
    let connections = connect_all().await?;
    all(connections
        .iter()
        .enumerate()
        .map(|(index, Connection { client, .. })| async move {
            let text: String = (0..2000)
                .map(|number| format!("{index}\t{number}\tnote {number}\n"))
                .collect();
            let sink = client.copy_in("copy copied from stdin").await?;
            pin_mut!(sink);
            for chunk in text.as_bytes().chunks(999) {
                sink.send(std::io::Cursor::new(chunk.to_vec())).await?;
            }
            equal(sink.finish().await?, 2000, "copied rows")?;
            let out = client
                .copy_out(&format!(
                    "copy (select * from copied where id = {index} order by number) to stdout"
                ))
                .await?;
            let chunks: Vec<_> = out.try_collect().await?;
            equal(chunks.concat() == text.as_bytes(), true, "what came out is what went in")?;
            drop_copy(client, index).await
        }))
    .await?;
    Ok(None)
}

/// A sink that is dropped before its end makes the driver send CopyFail.
async fn drop_copy(client: &Client, index: usize) -> Outcome<()> {
    {
        let sink = client.copy_in("copy copied from stdin").await?;
        pin_mut!(sink);
        sink.send(std::io::Cursor::new(format!("{index}\t1\tlost\n").into_bytes()))
            .await?;
    }
    let row = client
        .query_one("select count(*) from copied where id = $1", &[&(index as i32)])
        .await?;
    equal(row.get::<_, i64>(0), 2000, "rows after a COPY given up")
}

async fn cancel() -> Checked {
    let connections = connect_all().await?;
    let token = connections[0].client.cancel_token();
    all(connections.iter().enumerate().map(|(index, Connection { client, .. })| {
        let token = token.clone();
        async move {
            match index {
                0 => {
                    let state = state_of(client.query("select pg_sleep(20) /* tokio-postgres sleeper */", &[]).await);
                    equal(state, "57014".to_string(), "the error of the cancelled query")?;
                    equal(
                        client.query_one("select $1::int", &[&7]).await?.get::<_, i32>(0),
                        7,
                        "the session after the cancel",
                    )?;
                }
                1 => {
                    while client.query_one(SLEEPING, &[]).await?.get::<_, i64>(0) != 1 {}
                    token.cancel_query(NoTls).await?;
                }
                _ => {
                    for number in 0..ROUNDS * 5 {
                        equal(
                            client.query_one("select $1::int", &[&number]).await?.get::<_, i32>(0),
                            number,
                            "a bystander's answer",
                        )?;
                    }
                }
            }
            Ok(())
        }
    }))
    .await?;
    Ok(None)
}

async fn notify() -> Checked {
    let mut connections = connect_all().await?;
    connections[0].client.batch_execute("listen tokio_postgres").await?;
    let expected = 5 * (CONNECTIONS - 1);
    all(connections.iter_mut().enumerate().map(|(index, connection)| async move {
        if index == 0 {
            return receive(connection, expected).await;
        }
        for number in 0..5 {
            let payload = format!("from {index}, {number}");
            connection
                .client
                .execute("select pg_notify('tokio_postgres', $1)", &[&payload])
                .await?;
            equal(
                connection
                    .client
                    .query_one("select $1::int", &[&number])
                    .await?
                    .get::<_, i32>(0),
                number,
                "an answer",
            )?;
        }
        Ok(())
    }))
    .await?;
    Ok(None)
}

async fn receive(connection: &mut Connection, expected: usize) -> Outcome<()> {
    let mut payloads = BTreeSet::new();
    for received in 0..expected {
        match tokio::time::timeout(PATIENCE, connection.notifications.recv()).await {
            Ok(Some(notification)) => payloads.insert(notification.payload().to_string()),
            _ => return Err(format!("{received} notifications instead of {expected}").into()),
        };
    }
    equal(payloads.len(), expected, "different payloads")?;
    Ok(connection.client.batch_execute("unlisten *").await?)
}

async fn settings_of(client: &Client) -> Outcome<[String; 4]> {
    let place = client.query_one("select name from place", &[]).await?.get(0);
    Ok([
        show(client, "timezone").await?,
        show(client, "application_name").await?,
        show(client, "work_mem").await?,
        place,
    ])
}

async fn compare(connections: &[Connection], expected: impl Fn(usize) -> [String; 4]) -> Outcome<()> {
    let expected = &expected;
    all(connections
        .iter()
        .enumerate()
        .map(
            |(index, Connection { client, .. })| async move { equal(settings_of(client).await?, expected(index), "settings") },
        ))
    .await?;
    Ok(())
}

async fn settings() -> Checked {
    let mut connections = connect_all().await?;
    let own = |index: usize| {
        let number = index + 1;
        [
            format!("Etc/GMT+{number}"),
            format!("client {index}"),
            format!("{number}MB"),
            format!("place_{number}"),
        ]
    };
    all(connections
        .iter()
        .enumerate()
        .map(|(index, Connection { client, .. })| async move {
            let [zone, name, memory, place] = own(index);
            client
                .batch_execute(&format!("set timezone to '{zone}'; set application_name to '{name}'"))
                .await?;
            client.execute("select set_config('work_mem', $1, false)", &[&memory]).await?;
            Ok(client.batch_execute(&format!("set search_path to {place}")).await?)
        }))
    .await?;
    for _ in 0..5 {
        compare(&connections, own).await?;
    }
    all(connections.iter_mut().map(|Connection { client, .. }| async move {
        let transaction = client.transaction().await?;
        transaction.batch_execute("set local work_mem to '77MB'").await?;
        equal(
            transaction.query_one("show work_mem", &[]).await?.get::<_, String>(0),
            "77MB".to_string(),
            "SET LOCAL inside",
        )?;
        Ok(transaction.commit().await?)
    }))
    .await?;
    compare(&connections, own).await?;
    Ok(None)
}

async fn settings_at_connect() -> Checked {
    let connections = connect(CONNECTIONS, |index, config| {
        let number = index + 1;
        config.application_name(format!("started {index}")).options(format!(
            "-c timezone=Etc/GMT-{number} -c work_mem={number}MB -c search_path=place_{number}"
        ));
    })
    .await?;
    for _ in 0..3 {
        compare(&connections, |index| {
            let number = index + 1;
            [
                format!("Etc/GMT-{number}"),
                format!("started {index}"),
                format!("{number}MB"),
                format!("place_{number}"),
            ]
        })
        .await?;
    }
    Ok(None)
}

/// The names of the columns that the statement was described with, and the row.
async fn whole(client: &Client, statement: &Statement, id: i32) -> Result<String, tokio_postgres::Error> {
    let row = client.query_one(statement, &[&id]).await?;
    let mut text = String::new();
    for (index, column) in row.columns().iter().enumerate() {
        let value = match column.name() {
            "note" => row.try_get::<_, String>(index)?,
            _ => row.try_get::<_, i32>(index)?.to_string(),
        };
        text += &format!("{}={value} ", column.name());
    }
    Ok(text)
}

async fn cached_plan() -> Checked {
    let connections = connect(CONNECTIONS + 2, |_, _| {}).await?;
    let (cached, others) = connections.split_at(CONNECTIONS);
    let statements = all(cached
        .iter()
        .enumerate()
        .map(|(index, Connection { client, .. })| async move {
            let id = index as i32 + 1;
            let statement = client.prepare(WHOLE).await?;
            for _ in 0..3 {
                equal(
                    whole(client, &statement, id).await?,
                    format!("id={id} note=note {id} "),
                    "row",
                )?;
            }
            Ok(statement)
        }))
    .await?;
    others[0]
        .client
        .batch_execute("alter table cached add column extra int default 5")
        .await?;
    for _ in 0..2 {
        let statement = others[1]
            .client
            .prepare(WHOLE)
            .await
            .map_err(|error| format!("a newcomer prepares: {}", state_of::<()>(Err(error))))?;
        let found = whole(&others[1].client, &statement, 1)
            .await
            .map_err(|error| format!("a newcomer: {}", state_of::<()>(Err(error))))?;
        equal(found, "id=1 note=note 1 extra=5 ".to_string(), "a newcomer's row")?;
    }
    let outcomes =
        all(cached
            .iter()
            .zip(&statements)
            .enumerate()
            .map(|(index, (Connection { client, .. }, statement))| async move {
                rows_after_change(client, statement, index as i32 + 1).await
            }))
        .await?;
    let outcomes: BTreeSet<String> = outcomes.into_iter().collect();
    Ok(Some(format!(
        "after DDL it gets {}",
        outcomes.into_iter().collect::<Vec<_>>().join(" or ")
    )))
}

async fn rows_after_change(client: &Client, statement: &Statement, id: i32) -> Outcome<String> {
    let expected = format!("id={id} note=note {id} extra=5 ");
    for attempt in 0..3 {
        match whole(client, statement, id).await {
            Ok(found) => {
                equal(found, expected, "row after DDL")?;
                return Ok(if attempt == 0 {
                    "the new rows".into()
                } else {
                    format!("0A000 {attempt} times, then the new rows")
                });
            }
            Err(error) => equal(state_of::<()>(Err(error)), "0A000".to_string(), "the error after DDL")?,
        }
    }
    equal(
        whole(client, &client.prepare(WHOLE).await?, id).await?,
        expected,
        "row in the end",
    )?;
    Ok("0A000 every time; the new rows when prepared anew".into())
}

async fn newcomers_see_defaults() -> Checked {
    let connections = connect_all().await?;
    all(connections.iter().map(|Connection { client, .. }| async move {
        equal(show(client, "work_mem").await?, "4MB".to_string(), "work_mem")?;
        equal(show(client, "application_name").await?, String::new(), "application_name")?;
        equal(
            show(client, "search_path").await?,
            "\"$user\", public".to_string(),
            "search_path",
        )
    }))
    .await?;
    Ok(None)
}
