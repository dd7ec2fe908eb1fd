#include "tests/walk/leftovers.h"

#include <set>

#include "tests/support/wire_client.h"

namespace walk {
namespace {

using namespace test_support;

struct Question {
  const char* what;
  const char* sql;  // one text column; no row = nothing left
};

constexpr char kBackend[] = "SELECT pg_backend_pid()::text";

constexpr Question kQuestions[] = {
    {"setting", "SELECT name || ' = ' || setting FROM pg_settings WHERE source = 'session' AND name <> "
                "'application_name' AND setting IS DISTINCT FROM reset_val"},
    {"setting of a client's startup packet",
     "SELECT name || ' = ' || setting FROM pg_settings WHERE source = 'client' AND name NOT IN ('application_name', "
     "'client_encoding', 'DateStyle', 'TimeZone', 'IntervalStyle', 'standard_conforming_strings', "
     "'extra_float_digits', 'search_path')"},
    {"custom setting", "SELECT n || ' = ' || current_setting(n, true) FROM (VALUES ('app.x'), ('app.y')) AS t(n) WHERE "
                       "coalesce(current_setting(n, true), '') <> ''"},
    {"prepared statement", "SELECT name || ': ' || statement FROM pg_prepared_statements WHERE name NOT LIKE "
                           "'pgweir\\_%' AND name <> ''"},
    {"temporary object", "SELECT relname::text FROM pg_class WHERE relnamespace = pg_my_temp_schema()"},
    {"held cursor", "SELECT name FROM pg_cursors WHERE is_holdable"},
    {"listened channel", "SELECT c FROM pg_listening_channels() c"},
    {"advisory lock", "SELECT concat_ws('/', classid, objid, objsubid, mode) FROM pg_locks WHERE locktype = 'advisory' "
                      "AND pid = pg_backend_pid()"},
    {"role", "SELECT current_user || ' for ' || session_user WHERE current_user <> session_user"},
    {"search path", "SELECT current_setting('search_path') WHERE current_setting('search_path') <> "
                    "'\"$user\", public'"},
};

std::vector<std::string> Rows(WireClient& client, const char* sql) {
  std::vector<std::string> rows;
  for (const Message& message : client.Ask(Query(sql))) {
    if (message.type == 'D') rows.push_back(RowValues(message).at(0).value_or("NULL"));
    if (message.type == 'E') rows.push_back("refused: " + ErrorField(message, 'C') + " " + ErrorField(message, 'M'));
  }
  return rows;
}

}  // namespace

std::vector<std::string> FindLeftovers(int port, const std::string& database, int servers) {
  std::vector<std::string> found;
  std::vector<WireClient> clients;
  std::set<std::string> backends;
  for (int i = 0; i < servers; ++i) {
    WireClient& client = clients.emplace_back(port);
    if (!client.Login({{"user", "app"}, {"database", database}})) {
      found.push_back("login refused: " + ErrorField(client.error(), 'M'));
      return found;
    }
    Rows(client, "BEGIN");
    const auto pid = Rows(client, kBackend);
    const std::string server = "server " + (pid.empty() ? std::string("?") : pid[0]);
    if (!backends.insert(server).second) found.push_back(server + " is held twice");
    for (const Question& question : kQuestions) {
      for (const std::string& row : Rows(client, question.sql)) {
        found.push_back(server + ": " + question.what + ": " + row.substr(0, 200));
      }
    }
  }
  for (WireClient& client : clients) client.Ask(Query("ROLLBACK"));
  return found;
}

}  // namespace walk
