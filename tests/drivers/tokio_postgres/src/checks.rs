//! One line per check, work over many clients at once, deadlines.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Notification};

pub const CONNECTIONS: usize = 8;
pub const ROUNDS: i32 = 20;
/// Longer than anything here takes; only a failure waits for so long.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub type Failure = Box<dyn std::error::Error>;
pub type Outcome<T> = Result<T, Failure>;

/// A client, and the notifications that came for it.
pub struct Connection {
    pub client: Client,
    pub notifications: mpsc::UnboundedReceiver<Notification>,
}

/// Runs one check and prints its line; a string that it returns is printed as a note. True when it passed.
pub async fn check(name: &str, check: impl Future<Output = Outcome<Option<String>>>) -> bool {
    let outcome = match tokio::time::timeout(PATIENCE * 2, check).await {
        Ok(outcome) => outcome,
        Err(_) => Err("the time is over".into()),
    };
    match outcome {
        Ok(note) => {
            println!("{name}: ok");
            if let Some(note) = note {
                println!("note: {name}: {note}");
            }
            true
        }
        Err(failure) => {
            println!("{name}: FAILED: {}", in_words(&failure));
            false
        }
    }
}

/// tokio_postgres::Error says only "db error" by itself.
fn in_words(failure: &Failure) -> String {
    let mut text = failure.to_string();
    if let Some(source) = failure.source() {
        text = format!("{text}: {source}");
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn config() -> Outcome<Config> {
    let mut config = Config::new();
    config
        .host(std::env::var("PGHOST")?)
        .port(std::env::var("PGPORT")?.parse()?)
        .user(std::env::var("PGUSER")?)
        .password(std::env::var("PGPASSWORD")?)
        .dbname(std::env::var("PGDATABASE")?);
    Ok(config)
}

pub async fn connect(count: usize, each: impl Fn(usize, &mut Config)) -> Outcome<Vec<Connection>> {
    let mut found = Vec::new();
    for index in 0..count {
        let mut config = config()?;
        each(index, &mut config);
        let (client, mut link) = config.connect(NoTls).await?;
        let (sender, notifications) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = std::future::poll_fn(|context| link.poll_message(context)).await {
                if let AsyncMessage::Notification(notification) = message {
                    let _ = sender.send(notification);
                }
            }
        });
        found.push(Connection { client, notifications });
    }
    Ok(found)
}

pub async fn connect_all() -> Outcome<Vec<Connection>> {
    connect(CONNECTIONS, |_, _| {}).await
}

/// Waits for all, then gives the first failure.
pub async fn all<T>(work: impl IntoIterator<Item = impl Future<Output = Outcome<T>>>) -> Outcome<Vec<T>> {
    join_all(work).await.into_iter().collect()
}

pub fn equal<T: PartialEq + Debug>(actual: T, expected: T, what: &str) -> Outcome<()> {
    if actual == expected {
        return Ok(());
    }
    Err(format!("{what}: {actual:?} instead of {expected:?}").into())
}

/// The SQLSTATE of an error, or what it is if the server did not send it.
pub fn state_of<T>(result: Result<T, tokio_postgres::Error>) -> String {
    match result {
        Ok(_) => "no error".to_string(),
        Err(error) => error.code().map_or_else(|| error.to_string(), |code| code.code().to_string()),
    }
}
