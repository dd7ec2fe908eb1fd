#include "protocol/session_check.h"

#include <algorithm>
#include <array>
#include <optional>

#include "protocol/message_writer.h"
#include "protocol/wire_value.h"

namespace protocol {
namespace {

constexpr size_t kColumns = 4;
using Row = std::array<std::optional<std::string_view>, kColumns>;

std::optional<Row> ReadColumns(std::string_view body) {
  if (body.size() < 2 || ReadUint16(body.data()) != kColumns) return std::nullopt;
  body.remove_prefix(2);
  Row row;
  for (auto& column : row) {
    const auto value = TakeValue(body);
    if (!value) return std::nullopt;
    if (!value->is_null) column = value->text;
  }
  return row;
}

struct Thing {
  SessionThing bit;
  std::string_view name, exists;
};
// Operators are named in full: a client may have others of its own in front of them.
constexpr std::array<Thing, 4> kThings = {{
    {kTempObjects, "temp",
     "EXISTS (SELECT 1 FROM pg_catalog.pg_depend WHERE refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass "
     "AND refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())"},
    {kHoldCursors, "hold", "EXISTS (SELECT 1 FROM pg_catalog.pg_cursors WHERE is_holdable)"},
    {kAdvisoryLocks, "advisory",
     "EXISTS (SELECT 1 FROM pg_catalog.pg_locks WHERE locktype OPERATOR(pg_catalog.=) 'advisory' AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid())"},
    {kChannels, "channels", "EXISTS (SELECT 1 FROM pg_catalog.pg_listening_channels())"},
}};

// role and session_authorization are in no catalogue; pg_settings tells the source of the others, but not of custom ones.
bool IsDefault(std::string_view name, const Row& row, std::string_view session_user) {
  if (!row[2]) return true;
  if (name == "role") return *row[2] == "none";
  if (name == "session_authorization") return *row[2] == session_user;
  return row[3] && *row[3] != "session";
}

}  // namespace

bool IsPlainName(std::string_view setting) {
  return !setting.empty() && std::all_of(setting.begin(), setting.end(), [](char c) {
    return c >= ' ' && c <= '~' && !(c >= 'A' && c <= 'Z') && std::string_view("\"'\\").find(c) == std::string_view::npos;
  });
}

std::string QuestionSql(const SessionQuestion& question) {
  std::string sql;
  const auto add = [&sql](std::string_view part) {
    if (!sql.empty()) sql += " UNION ALL ";
    sql += part;
  };
  if (!question.names.empty()) {
    std::string names;
    // Quoted: a bare null in an array literal is no name.
    for (const std::string& name : question.names) names += (names.empty() ? "\"" : ",\"") + name + '"';
    add("SELECT 'set', n, pg_catalog.current_setting(n, true), (SELECT s.source FROM pg_catalog.pg_settings s "
        "WHERE pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) n LIMIT 1) FROM pg_catalog.unnest('{" + names + "}'::pg_catalog.text[]) n");
  }
  if (question.settings == SessionQuestion::Settings::kAll) {
    add("SELECT 'set', pg_catalog.lower(name), pg_catalog.current_setting(name), source FROM pg_catalog.pg_settings "
        "WHERE source OPERATOR(pg_catalog.=) 'session' AND name OPERATOR(pg_catalog.<>) ALL (ARRAY['transaction_isolation', 'transaction_read_only', 'transaction_deferrable', 'seed'])");
  }
  for (const Thing& thing : kThings) {
    if ((question.things & thing.bit) == 0) continue;
    add("SELECT '" + std::string(thing.name) + "', NULL, NULL, NULL WHERE " + std::string(thing.exists));
  }
  return sql;
}

bool SessionFinding::ReadRow(std::string_view data_row_body, std::string_view session_user) {
  const auto row = ReadColumns(data_row_body);
  if (!row || !(*row)[0]) return false;
  const std::string_view kind = *(*row)[0];
  for (const Thing& thing : kThings) {
    if (thing.name != kind) continue;
    things |= thing.bit;
    return true;
  }
  if (kind != "set" || !(*row)[1]) return false;
  const std::string name(*(*row)[1]);
  if (IsDefault(name, *row, session_user)) {
    defaults.push_back(name);
  } else {
    const auto is_same = [&name](const Setting& setting) { return setting.first == name; };
    if (std::none_of(set.begin(), set.end(), is_same)) set.emplace_back(name, *(*row)[2]);
  }
  return true;
}

}  // namespace protocol
