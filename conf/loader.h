// Reads a Config from TOML or pgbouncer.ini, the environment and the command line, and reports every mistake at once.
//
// Threads: none of its own; called at start, on reload and by `pgweir check`, never by a worker (it reads files).
// Order: defaults < file < PGWEIR_<KEY> (and PGWEIR_<KEY>_FILE for a value kept in a file) < command line.
// DATABASE_URL (or DATABASE_URL_FILE) = postgres://user:password@host:port/dbname?sslmode=... alone is complete: it
// makes
// the database of that name, the fallback "*" to the same hosts (unless the file has a "*"), and puts user and password
// into the user list. Its ?sslmode= is server_tls_sslmode, which PGWEIR_SERVER_TLS_SSLMODE overrides.
// PGWEIR_ADMIN_PASSWORD (or PGWEIR_ADMIN_PASSWORD_FILE) adds the user "admin" with that password to the user list and
// to
// admin_users, so that a container without any file has a console. PGWEIR_CONFIG belongs to the command line (main).
// Names that Kubernetes sets by itself for a service called pgweir (PGWEIR_SERVICE_HOST, PGWEIR_PORT=tcp://...) are
// passed over.
// A file whose name ends in .ini is PgBouncer's (apply_ini.h), any other is TOML.
// Paths in a TOML file are relative to its folder; paths in an ini, the environment and on the command line to the working folder.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "conf/config.h"

namespace conf {

// One mistake: "pgweir.toml:12: unknown key 'pool_sise' in [pgweir]; did you mean 'pool_size'?"
struct Mistake {
  std::string file;  // or the name of the environment variable
  int line = 0;      // 0 = the file as a whole
  std::string text;
  std::string ToString() const;
};

struct LoadOptions {
  std::string file;  // empty: environment only
  std::function<const char*(const char*)> environment;                 // getenv in production, a map in tests
  std::vector<std::string> environment_names;                          // every name that is set, to report typos of PGWEIR_*
  std::vector<std::pair<std::string, std::string>> command_line;       // key, value
  // Content of a file, or why it cannot be read. Empty: the disk. Tests and the fuzzer give their own.
  std::function<tl::expected<std::string, std::string>(const std::string& path)> read_file;
};

using LoadResult = tl::expected<std::shared_ptr<const Config>, std::vector<Mistake>>;

LoadResult Load(const LoadOptions&);

// The same with the text of the configuration file at hand; options.file is its name in messages and for relative
// paths.
LoadResult LoadText(std::string_view text, const LoadOptions& options);

// `config` with one key of [pgweir] (of [pgbouncer] when it came from an ini, with PgBouncer's names and units) changed by SET;
// checked as a whole. Files are read only for a key that names one, and those of the auth_ keys when one of these changes.
LoadResult WithKey(const Config& config, std::string_view key, std::string_view value, const LoadOptions& options);

// What a reload would change, a line each: "default_pool_size: 20 -> 40", "database shop: added". Secrets show only "changed".
std::vector<std::string> Differences(const Config& before, const Config& after);

// Keys that need a restart and differ (listen_port, workers, ...); Reload refuses none of them, it warns and keeps the old value.
std::vector<std::string> NeedsRestart(const Config& before, const Config& after);

}  // namespace conf
