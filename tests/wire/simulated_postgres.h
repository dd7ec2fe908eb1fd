// Simulated PostgreSQL servers behind a port: SimulatedSession on FakeServer, with faults in the stream of answers.
//
// A fault counts answer bytes from the moment it is set, over all connections; pgweir has one server connection at a
// time in the tests that set one. All sessions share one schema. Threads: set faults and read from the test's thread;
// connections run on the FakeServer's.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/fake_server.h"
#include "tests/wire/simulated_statements.h"

namespace wire {

enum class End : uint8_t { kFin, kReset };

class SimulatedPostgres {
 public:
  SimulatedPostgres();

  int port() const { return server_->port(); }
  int accepted() const { return server_->accepted(); }
  std::vector<std::string> Problems() const { return server_->Problems(); }
  size_t Cancels() const { return server_->Cancels().size(); }

  // The answer bytes from now on: in two writes, the second when the first has been read.
  void SplitAt(size_t position);
  // So many more answer bytes, then the connection ends, once.
  void CutAt(size_t position, End end);
  void NoFault();
  // All frontend bytes since the last call, connection after connection; or those of one.
  std::string TakeReceived();
  std::string TakeReceived(int connection);
  // The prepared statements of a connection, by its number in the order of logins; of an ended one, the last ones.
  std::shared_ptr<const SimulatedStatements> Statements(int connection) const;
  // What a statement of another program does to the schema: ++*schema().
  const SchemaVersion& schema() const { return schema_; }

 private:
  enum class Fault : uint8_t { kNone, kSplit, kCut };
  void Serve(test_support::FakeConnection& connection);
  bool Write(test_support::FakeConnection& connection, const std::string& bytes);

  struct Session {
    std::shared_ptr<SimulatedStatements> statements;
    std::string received;
  };
  const SchemaVersion schema_ = NewSchema();
  mutable std::mutex mutex_;  // guards all below but server_
  Fault fault_ = Fault::kNone;
  End end_ = End::kFin;
  size_t left_ = 0;
  std::map<int, Session> sessions_;
  std::unique_ptr<test_support::FakeServer> server_;  // the last one: its threads use the others
};

}  // namespace wire
