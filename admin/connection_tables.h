// SHOW CLIENTS and SHOW SERVERS: one row per connection. SHOW PINS: one row per client and reason.
//
// What: PgBouncer 1.25's columns; `ptr` is the id in hexadecimal and `link` the id of the other side, so that a client
// and its server can be joined. Ours at the end: worker, and for servers why they have to close. SHOW PINS is ours
// alone: the clients that keep their server because of their session's state, the longest first.
// Threads: pure functions. Source: PgBouncer's documentation, "SHOW CLIENTS".
#pragma once

#include "admin/table.h"
#include "proxy/control.h"

namespace admin {

Columns ClientColumns();
Columns ServerColumns();
std::vector<Row> ClientRows(const proxy::Snapshot& snapshot);
std::vector<Row> ServerRows(const proxy::Snapshot& snapshot);
Columns PinColumns();
std::vector<Row> PinRows(const proxy::Snapshot& snapshot);

// "2026-07-31 12:00:00 CEST" in the machine's time zone, as PgBouncer prints times; NULL for the epoch ("never").
std::optional<std::string> LocalTime(proxy::WallTime time);

}  // namespace admin
