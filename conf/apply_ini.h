// pgbouncer.ini onto a Draft, with PgBouncer's defaults, units and meanings.
//
// What: the counterpart of ApplyFile for a file whose name ends in .ini. The table in ini_keys.h says what becomes of each
// key; here is what is not a matter of one key alone:
//   - paths are relative to the working folder, and kept absolute
//   - each [pgbouncer] header sets every key of it back to its default, and of a line given twice the last counts
//   - a database without host is at the Unix socket of unix_socket_dir
//   - reserve_pool_timeout = 0 switches the reserve off
//   - on the console, who started pgweir is admin without a password, as the user pgbouncer over the Unix socket
//   - as many clients may wait in a pool as max_client_conn lets in
// What is accepted and has no effect becomes a line of Config::notes. Threads: one, the caller of Load.
#pragma once

#include <string_view>

#include "conf/draft.h"

namespace conf {

bool IsIniFile(std::string_view path);
void ApplyIni(Draft& draft, std::string_view text);

}  // namespace conf
