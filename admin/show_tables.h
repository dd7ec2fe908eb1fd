// Every SHOW of the console as a Table.
//
// What: PgBouncer 1.25's names, types and order of columns; columns of ours stand at the end, so that tools that know
// PgBouncer work unchanged. All values are made from one snapshot, the same that /metrics is made from.
// Threads: pure functions, called on the control thread. Names that clients chose are printed as Printable makes them.
// Source: PgBouncer's documentation, "Admin console"; column types as PgBouncer 1.25 sends them.
#pragma once

#include <optional>

#include "admin/command.h"
#include "admin/load_window.h"
#include "admin/stats_window.h"
#include "admin/table.h"

namespace admin {

inline constexpr size_t kConfigValueBytesMax = 4096;

// What SHOW may look at. The snapshot has the console's own rows (OwnPool).
struct Facts {
  const proxy::Snapshot& snapshot;
  const conf::Config& config;
  proxy::RunState run_state;
  const StatsWindow& window;
  const LoadWindow& loads;
  LoadWindow::Time now;
};

// Empty: the command answers with no rows at all (control verbs, SHOW HELP, SET).
Columns ColumnsOf(const Command& command);

// What has to be collected before MakeTable; nullopt: nothing.
std::optional<proxy::Collecting> NeededFor(const Command& command);

// The answer to a command that has columns: a SHOW or a SELECT.
Table MakeTable(const Command& command, const Facts& facts);

std::string VersionText();  // "pgweir 0.1.0"
std::string HelpText();     // the usage of every verb, a line each

}  // namespace admin
