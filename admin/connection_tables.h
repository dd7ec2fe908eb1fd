// SHOW CLIENTS, SERVERS, SOCKETS and ACTIVE_SOCKETS: one row per connection.
//
// What: PgBouncer 1.25's columns; `ptr` is the id in hexadecimal and `link` the id of the other side, so that a client
// and its server can be joined. Ours at the end: worker, and for servers why they have to close. A socket is active when it is
// linked, or when bytes of it are kept.
// Threads: pure functions. Source: PgBouncer's documentation, "SHOW CLIENTS", "SHOW SOCKETS".
#pragma once

#include "admin/table.h"
#include "proxy/control.h"

namespace admin {

Columns ClientColumns();
Columns ServerColumns();
Columns SocketColumns();
std::vector<Row> ClientRows(const proxy::Snapshot& snapshot);
std::vector<Row> ServerRows(const proxy::Snapshot& snapshot);

enum class Sockets : uint8_t { kAll, kActive };
std::vector<Row> SocketRows(const proxy::Snapshot& snapshot, Sockets which);

}  // namespace admin
