// pgbouncer.ini of texts: the fixture of load_fixture.h under a name that ends in .ini.
// Threads: one.
#pragma once

#include "tests/unit/conf/load_fixture.h"

namespace conf {

inline constexpr const char* kUserList = "/etc/pgbouncer/userlist.txt";

inline Loading LoadingIni() {
  Loading loading;
  loading.file = "pgbouncer.ini";
  loading.files[kUserList] = "\"app\" \"hunter2\"\n";
  return loading;
}

// A minimum that loads, with lines for [pgbouncer] from line 5 on, the last of the file unless `rest` follows.
inline std::string Ini(const std::string& global, const std::string& rest = "") {
  return "[databases]\nshop = host=10.0.0.5\n[pgbouncer]\nauth_file = /etc/pgbouncer/userlist.txt\n" + global + "\n" + rest;
}

// The line of [databases] is line 2.
inline std::string WithDatabase(const std::string& line) {
  return "[databases]\n" + line + "\n[pgbouncer]\nauth_file = /etc/pgbouncer/userlist.txt\n";
}

}  // namespace conf
