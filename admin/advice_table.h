// SHOW ADVICE: for each pool, what it had to do in the last minutes, how long one waits, and how large it should be.
//
// What: rate in clients served or shed per second, load in servers, use in percent of pool_size. wait_us and wait_p95_us are as
// measured; expected_us and expected_p95_us what the size alone would make of an even load (NULL: without bound). The console's
// own pool has no row. Threads: pure functions.
#pragma once

#include "admin/show_tables.h"
#include "admin/table.h"

namespace admin {

Columns AdviceColumns();
std::vector<Row> AdviceRows(const Facts& facts);

}  // namespace admin
