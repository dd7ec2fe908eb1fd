// SHOW CAPACITY: for each backend server, what may be opened there at worst beside what it allows.
//
// What: a row per host as the database sections name it; worst_case is of one pgweir, total of all `instances`. NULL is what is
// not known. "25/5" in role_limits and database_limits: 25 may be wanted at worst, CONNECTION LIMIT is 5; of superusers, whom
// PostgreSQL does not bind by it, and without a limit nothing is said. Threads: pure functions.
// Limits: kListedMax names in a list.
#pragma once

#include "admin/show_tables.h"
#include "admin/table.h"

namespace admin {

inline constexpr size_t kListedMax = 50;

Columns CapacityColumns();
std::vector<Row> CapacityRows(const proxy::Snapshot& snapshot);

}  // namespace admin
