// The console as a PostgreSQL server: simple and extended protocol over the tables and verbs of this room.
//
// What: implements proxy::ConsolePort. Keeps per client its named statements and portals and whether an error has it
// skipping to the next Sync. There are no transactions: ReadyForQuery says 'I', and portals end at Sync or Query.
// | phase    | message           | answer                                                        | next          |
// |----------|-------------------|---------------------------------------------------------------|---------------|
// | ready    | Query             | result or error, ReadyForQuery                                | ready         |
// | ready    | Parse Bind Close Describe Execute | its answer                                    | ready         |
// | ready    | the same, failing | ErrorResponse                                                 | skipping      |
// | ready    | Sync              | ReadyForQuery                                                 | ready         |
// | ready    | Flush, Copy*      | nothing (answers are never held back; there is no COPY)       | ready         |
// | ready    | FunctionCall      | ErrorResponse, ReadyForQuery                                  | ready         |
// | ready    | any other         | ErrorResponse                                                 | skipping      |
// | skipping | Sync              | ReadyForQuery                                                 | ready         |
// | skipping | any other         | nothing                                                       | skipping      |
// Threads: the control thread. Ownership: the sessions; a reply that comes after OnClosed is dropped.
// Limits: kConsoleStatementsMax statements and portals per client, kConsoleNameBytesMax per name; no parameters.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "admin/console_session.h"
#include "admin/executor.h"
#include "admin/load_window.h"
#include "admin/own_pool.h"
#include "admin/stats_window.h"
#include "proxy/control.h"

namespace admin {

class Console : public proxy::ConsolePort {
 public:
  Console(proxy::Control& control, StatsWindow::Time now);

  void OnMessage(proxy::ConsoleRequest request, std::function<void(std::string bytes)> reply) override;
  void OnClosed(uint64_t client_id) override;
  std::vector<std::pair<std::string, std::string>> Welcome() const override;

  // Once per stats_period: the averages of SHOW STATS are over the time since the last call.
  void OnStatsPeriod(proxy::Snapshot snapshot, StatsWindow::Time now);
  // Every kLoadSampleEvery: what SHOW ADVICE looks back at.
  void OnLoadSample(const proxy::Snapshot& snapshot, LoadWindow::Time now) { loads_.Feed(snapshot, now); }

 private:
  using Reply = std::function<void(std::string bytes)>;

  void Query(const proxy::ConsoleRequest& request, Reply reply);
  void Execute(const proxy::ConsoleRequest& request, ConsoleSession& session, Reply reply);
  Reply Counted(size_t received, Reply reply);

  OwnPool own_pool_;
  StatsWindow window_;
  LoadWindow loads_;
  std::unordered_map<uint64_t, ConsoleSession> sessions_;
  Executor executor_;
};

}  // namespace admin
