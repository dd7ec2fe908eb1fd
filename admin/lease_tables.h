// SHOW HOLDERS, WAITERS and PINS: who has the servers, who waits for one, and who keeps one because of its session's state.
//
// What: ours alone, all made from the rows of SHOW CLIENTS and SERVERS. HOLDERS: one row per lent server, the longest first.
// WAITERS: one row per waiting client with its place in the queue of its pool, 1 is next (with several workers the order holds
// but for the pool's slack, pool/pool.h). PINS: one row per client and reason, the longest first. Blockers are the holders
// of a PAUSE that ran out of time, in words.
// Threads: pure functions. Limits: kBlockersMax lines. Source: behaviour of this project.
#pragma once

#include <string>

#include "admin/show_tables.h"
#include "admin/table.h"
#include "proxy/control.h"

namespace admin {

inline constexpr size_t kBlockersMax = 50;

Columns HolderColumns();
Columns WaiterColumns();
Columns PinColumns();
std::vector<Row> HolderRows(const Facts& facts);
std::vector<Row> WaiterRows(const proxy::Snapshot& snapshot);
std::vector<Row> PinRows(const proxy::Snapshot& snapshot);

// "server process 4711: client 17 (user app, database shop, application "billing", 10.0.0.5:5123), idle in transaction, since ..."
std::string BlockersText(const proxy::Control::Held& held);

}  // namespace admin
