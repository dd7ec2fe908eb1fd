// All pairs, and the one schedule that a seed draws for them.
//
// One step: a client, an operation, both connections, and everything that can be seen is compared. At most
// servers - 1 clients may hold a server at a time (in a transaction, or pinned by what they have made), so that with
// the small pool every step finds a server without waiting, which one thread could not survive. A difference ends the
// run, or, up to differences_max of them, the pair: it connects again. Threads: one.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/support/pq.h"
#include "tests/walk/comparison.h"
#include "tests/walk/operations.h"

namespace walk {

struct WorldOptions {
  uint64_t seed = 1;
  uint64_t steps = 1000;
  int clients = 50;
  int servers = 5;             // of the pool
  size_t differences_max = 1;  // after so many the walk ends
  std::set<std::string> only;  // groups; empty = all but the hidden
  int direct_port = 0, through_port = 0;
  std::string monitor;  // libpq string of a superuser in neither database
};

class World {
 public:
  explicit World(WorldOptions options);
  void Run();
  void CloseAll();

  // Each with seed, step and the last steps of its client.
  const std::vector<std::string>& differences() const { return differences_; }
  // How often each group was taken, and how often PostgreSQL refused it: a walk of errors alone proves nothing.
  std::string Summary() const;

 private:
  struct Count {
    uint64_t taken = 0, refused = 0;
  };
  bool IsWanted(const std::string& group) const;
  void Connect(Pair& pair);
  void Step();
  Pair& DrawPair();
  const Operation* DrawOperation(const Pair& pair);
  bool MayTake(const Operation& operation, const Pair& pair);
  int Holders() const;
  void Perform(Pair& pair, const Operation& operation);
  void Reconnect(Pair& pair, const Action& action);
  void Judge(Pair& pair, const Observation& direct, const Observation& through);
  void ForgiveStalePlan(Pair& pair);
  void CompareNotificationsOf(Pair& pair);
  void CompareIdleListeners();
  void AwaitEqualLocks(Pair& pair);
  void Differ(Pair& pair, const std::string& what);

  const WorldOptions options_;
  Dice dice_;
  std::vector<Operation> operations_;
  std::vector<std::unique_ptr<Pair>> pairs_;
  test_support::Connection monitor_;
  std::vector<std::string> differences_;
  std::map<std::string, Count> counts_;
  uint64_t step_ = 0, forgiven_ = 0, heard_ = 0;
  bool has_differed_ = false;  // in this step
};

}  // namespace walk
