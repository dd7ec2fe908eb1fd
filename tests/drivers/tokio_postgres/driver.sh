# tokio-postgres from crates.io, at the versions of Cargo.lock: queries in text are prepared, run and closed each time.
# shellcheck shell=bash disable=SC2034,SC2154  # run reads and sets the variables
prepare() {
  CARGO_TARGET_DIR="$cache/tokio_postgres" cargo build --locked --quiet \
    --manifest-path "$root/tests/drivers/tokio_postgres/Cargo.toml"
}
command=(env "TOKIO_POSTGRES_VERSION=$(sed -n '/^name = "tokio-postgres"/{n;s/.*"\(.*\)"/\1/p}' \
  "$root/tests/drivers/tokio_postgres/Cargo.lock")" "$cache/tokio_postgres/debug/tokio_postgres_programme")
