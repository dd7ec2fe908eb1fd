// For tests of what a session keeps over shared servers: what the console and the metrics say of it.
//
// Not here: how state is found and carried (proxy/client_state.cc). Threads: the main thread of the test. Nothing waits
// but Eventually in the callers: pgweir has counted what a client did before the client hears that it is done.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "tests/integration/environment.h"

namespace integration {

class StateTest : public IntegrationTest {
 protected:
  void SetUp() override { NEEDS_PGWEIR(); }
  // One server for all clients of a user, which makes every leak visible.
  void StartWithOneServer(const std::string& global = "", const std::string& sections = "") {
    StartPgweir("pool_mode = \"transaction\"\ndefault_pool_size = 1\nworkers = 1\n" + global, sections);
  }
  // The sum of the samples of this name that have all these labels ("reason=\"load\""); -1 when there is none.
  double Metric(const std::string& name, const std::vector<std::string>& labels = {});
  // "reason" of every row of SHOW PINS, sorted.
  static std::vector<std::string> Pins(Connection& admin);
  // The row of SHOW CLIENTS of the client with this application_name: its value in a column.
  static std::string ClientColumn(Connection& admin, const std::string& application_name, const std::string& column);
  // Nothing is pinned any more and every server is free again.
  bool WaitUntilFree(Connection& admin, const std::string& user = "app") const;
};

// One statement as superuser; throws when it fails. For roles, grants and defaults.
void AsSuperuser(const std::string& sql, const std::string& database = "app");

// Undoes at the end of a test what it changed in the shared cluster.
class AfterTest {
 public:
  explicit AfterTest(std::string sql) : sql_(std::move(sql)) {}
  AfterTest(const AfterTest&) = delete;
  AfterTest& operator=(const AfterTest&) = delete;
  ~AfterTest();

 private:
  std::string sql_;
};

}  // namespace integration
