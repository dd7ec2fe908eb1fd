// pgweir's own conversations with a database, over libpq: for `pgweir check --connect`.
//
// What: one blocking connection outside the data path. Threads: the caller's; never a worker's.
// Limits: connect_timeout in seconds, statements that answer with one value.
#pragma once

#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "conf/config.h"

struct pg_conn;

namespace proxy {

class ControlConnection {
 public:
  struct Options {
    conf::Host host;
    std::string dbname, user;
    conf::Secret password;
    conf::TlsSettings tls;
    int connect_timeout_s = 5;
  };
  static tl::expected<ControlConnection, std::string> Open(const Options& options);
  tl::expected<std::string, std::string> OneValue(const std::string& sql);

 private:
  struct Closer {
    void operator()(pg_conn* connection) const;
  };
  explicit ControlConnection(pg_conn* connection) : connection_(connection) {}
  std::unique_ptr<pg_conn, Closer> connection_;
};

}  // namespace proxy
