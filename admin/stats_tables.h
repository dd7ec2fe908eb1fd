// SHOW STATS, STATS_TOTALS, STATS_AVERAGES and TOTALS: columns and rows.
//
// What: PgBouncer 1.25's columns in its order, all integers of type numeric; times in microseconds, counts and bytes of
// an average per second, times of an average per transaction, query or assignment. Ours at the end: client logins. The
// parse and bind counts are 0: statements pass through unchanged, pgweir prepares none of its own. Threads: pure
// functions. Source: PgBouncer's documentation, "SHOW STATS".
#pragma once

#include "admin/command.h"
#include "admin/stats_window.h"
#include "admin/table.h"

namespace admin {

Columns StatsColumns(VerbId);  // one of the four
std::vector<Row> StatsRows(VerbId, const proxy::Snapshot& snapshot, const StatsWindow& window);

}  // namespace admin
