// Reads a Config from TOML, the environment and the command line, and reports every mistake at once.
//
// Threads: none of its own; called at start, on reload and by `pgweir check`, never by a worker (it reads files).
// Order: defaults < file < PGWEIR_<KEY> (and PGWEIR_<KEY>_FILE for a value kept in a file) < command line.
// DATABASE_URL (or DATABASE_URL_FILE) = postgres://user:password@host:port/dbname?sslmode=... alone is complete: it makes
// the database of that name, the fallback "*" to the same hosts, and puts user and password into the user list.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <tl/expected.hpp>
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
};

using LoadResult = tl::expected<std::shared_ptr<const Config>, std::vector<Mistake>>;

LoadResult Load(const LoadOptions&);

// What a reload would change, a line each: "default_pool_size: 20 -> 40", "database shop: added". Secrets show only "changed".
std::vector<std::string> Differences(const Config& before, const Config& after);

// Keys that need a restart and differ (listen_port, workers, ...); Reload refuses none of them, it warns and keeps the old value.
std::vector<std::string> NeedsRestart(const Config& before, const Config& after);

}  // namespace conf
