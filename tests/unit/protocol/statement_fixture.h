// Statements as the tests of prepared statements make them: like StatementRegistry, but with an id of the test's
// choice. Threads: pure.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "protocol/prepared_statements.h"

namespace protocol {

inline std::shared_ptr<Statement> MakeStatement(uint64_t id, std::string_view text = "select 1") {
  auto statement = std::make_shared<Statement>();
  statement->id = id;
  statement->server_name = std::string(kServerNamePrefix) + std::to_string(id);
  statement->body = std::string(text) + std::string(3, '\0');
  return statement;
}

inline ClientStatement Entry(const StatementRef& statement, uint64_t batch = 0) {
  return {statement, Language::kProtocol, 0, batch};
}

// The ids of what a server has, least recently used first; it is empty then.
inline std::string TakeIds(ServerStatements& server) {
  std::string ids;
  while (const StatementRef oldest = server.Oldest()) {
    ids += (ids.empty() ? "" : " ") + std::to_string(oldest->id);
    server.BeginClose(oldest, 0);
    server.EndClose(oldest);
  }
  return ids;
}

}  // namespace protocol
