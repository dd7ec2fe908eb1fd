#include "tests/walk/leftovers.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "tests/support/wire_client.h"

namespace walk {
namespace {

using namespace test_support;

constexpr size_t kPrintedBytesMax = 200;

struct Question {
  const char* what;
  const char* sql;  // one text column; no row = nothing left
};

constexpr char kBackend[] = "SELECT pg_backend_pid()::text";
// Without those of extensions, which are there as soon as somebody has used one. Whether a value was never changed or
// has been put back by SET is the pool's own affair: the value counts.
constexpr char kSettings[] =
    "SELECT name || ' = ' || setting FROM pg_settings WHERE name <> 'application_name' AND name NOT LIKE '%.%'";

constexpr Question kQuestions[] = {
    {"custom setting",
     "SELECT n || ' = ' || current_setting(n, true) FROM (VALUES ('app.x'), ('app.y')) AS t(n) WHERE "
     "coalesce(current_setting(n, true), '') <> ''"},
    {"prepared statement",
     "SELECT name || ': ' || statement FROM pg_prepared_statements WHERE name NOT LIKE "
     "'pgweir\\_%' AND name <> ''"},
    {"temporary object", "SELECT relname::text FROM pg_class WHERE relnamespace = pg_my_temp_schema()"},
    {"held cursor", "SELECT name FROM pg_cursors WHERE is_holdable"},
    {"listened channel", "SELECT c FROM pg_listening_channels() c"},
    {"advisory lock",
     "SELECT concat_ws('/', classid, objid, objsubid, mode) FROM pg_locks WHERE locktype = 'advisory' "
     "AND pid = pg_backend_pid()"},
    {"role", "SELECT current_user || ' for ' || session_user WHERE current_user <> session_user"},
};

std::vector<std::string> Rows(WireClient& client, const char* sql) {
  std::vector<std::string> rows;
  for (const Message& message : client.Ask(Query(sql))) {
    if (message.type == 'D') rows.push_back(RowValues(message).at(0).value_or("NULL"));
    if (message.type == 'E') rows.push_back("refused: " + ErrorField(message, 'C') + " " + ErrorField(message, 'M'));
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

}  // namespace

std::vector<std::string> FindLeftovers(const Place& pool, const Place& direct, int servers) {
  std::vector<std::string> found;
  WireClient fresh(direct.port);
  fresh.Login({{"user", "app"}, {"database", direct.database}});
  Rows(fresh, "BEGIN");
  const std::vector<std::string> right = Rows(fresh, kSettings);
  std::vector<WireClient> clients;
  std::set<std::string> backends;
  for (int i = 0; i < servers; ++i) {
    WireClient& client = clients.emplace_back(pool.port);
    if (!client.Login({{"user", "app"}, {"database", pool.database}})) {
      found.push_back("login refused: " + ErrorField(client.error(), 'M'));
      return found;
    }
    Rows(client, "BEGIN");
    const auto pid = Rows(client, kBackend);
    const std::string server = "server " + (pid.empty() ? std::string("?") : pid[0]);
    if (!backends.insert(server).second) found.push_back(server + " is held twice");
    const std::vector<std::string> settings = Rows(client, kSettings);
    std::vector<std::string> wrong;
    std::set_difference(settings.begin(), settings.end(), right.begin(), right.end(), std::back_inserter(wrong));
    for (const std::string& setting : wrong) found.push_back(server + ": setting: " + setting);
    for (const Question& question : kQuestions) {
      for (const std::string& row : Rows(client, question.sql)) {
        found.push_back(server + ": " + question.what + ": " + row.substr(0, kPrintedBytesMax));
      }
    }
  }
  for (WireClient& client : clients) client.Ask(Query("ROLLBACK"));
  return found;
}

}  // namespace walk
