// What the conversation tests stand on: pgweir with one server connection per pool, or as many as a test asks for, in
// front of a SimulatedPostgres.
//
// Threads: one at a time. The observer is a client of the same pool: what it gets after another client has been cut off
// proves that nothing was left over.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/support/pgweir_process.h"
#include "tests/support/wire_client.h"
#include "tests/wire/conversations.h"
#include "tests/wire/simulated_postgres.h"

namespace wire {

inline const test_support::Names kApp = {{"user", "app"}, {"database", "app"}};

// Configuration of a pgweir whose databases all lead to this port.
test_support::PgweirConfig ConfigFor(int server_port, const std::string& global = "", int pool_size = 1);

class Rig {
 public:
  explicit Rig(const std::string& global = "", int pool_size = 1);
  ~Rig();  // a script that threw is a failure

  SimulatedPostgres& postgres() { return postgres_; }
  test_support::PgweirProcess& pgweir() { return pgweir_; }
  // Logged in.
  test_support::WireClient Client();
  // A client that asks gets exactly its own answer, over the one server connection of the pool when that has one.
  testing::AssertionResult ObserverIsServed();

 private:
  SimulatedPostgres postgres_;
  test_support::PgweirProcess pgweir_;
  test_support::WireClient observer_;
  int asked_ = 0;
};

// Sends `echo id` and reads: exactly its answer, or what came instead.
testing::AssertionResult GetsItsAnswer(test_support::WireClient& client, const std::string& id);

}  // namespace wire
