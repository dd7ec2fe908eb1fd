// The rows of one worker for a snapshot, copied in slices: a look at ten thousand clients must not hold up the queries between.
//
// What: Step copies kRowsPerTurn rows at most and is called once a turn until it says kDone. Whoever is there from the first step to
// the last is copied exactly once; who comes or goes meanwhile, once or not at all. Where both sides are wanted a client and the server
// that it holds are copied in the same step, so that each row tells of the other what is true.
// How: by the buckets of the worker's tables. An element keeps its bucket until the table grows; then the walk begins anew, which
// happens once for each doubling of the table.
// Threads: the worker's. Ownership: borrows the tables of the worker, which outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "proxy/control.h"

namespace proxy {

class Client;
class Server;

using ClientTable = std::unordered_map<uint64_t, std::unique_ptr<Client>>;
using ServerTable = std::unordered_map<uint64_t, std::unique_ptr<Server>>;

inline constexpr size_t kRowsPerTurn = 64;       // some 50 us
inline constexpr size_t kBucketsPerTurn = 4096;  // of a table that was once larger, most are empty

class RowWalk {
 public:
  enum class Step : uint8_t { kMore, kDone };

  RowWalk(Collecting what, const ClientTable& clients, const ServerTable& servers);
  Step Next();
  Snapshot& rows() { return rows_; }  // when it is done

 private:
  enum class Phase : uint8_t { kClients, kServers, kDone };

  void Begin();
  void EnterServers();
  void Copy(const Client& client);
  void Copy(const Server& server);
  template <typename Table>
  bool Slice(const Table& table);  // false: this was the last of it

  const Collecting what_;
  const ClientTable& clients_;
  const ServerTable& servers_;
  Phase phase_ = Phase::kDone;
  size_t bucket_ = 0, buckets_ = 0;
  std::unordered_set<uint64_t> with_client_;  // servers that were copied beside their clients
  Snapshot rows_;
};

}  // namespace proxy
