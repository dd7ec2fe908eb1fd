// The rows of one worker for a snapshot, copied in slices: a look at ten thousand clients must not hold up the queries between.
//
// What: Step copies kRowsPerTurn rows at most and is called once a turn until it says kDone. Whoever is there from the first step to
// the last is copied exactly once; who comes or goes meanwhile, once or not at all. Where both sides are wanted a client and the server
// that it holds are copied in the same step, so that each row tells of the other what is true.
// When a table grows the walk begins anew (table_cursor.h), which happens once for each doubling of the table.
// Threads: the worker's. Ownership: borrows the tables of the worker, which outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "proxy/control.h"
#include "proxy/table_cursor.h"

namespace proxy {

class Client;
class Server;

using ClientTable = std::unordered_map<uint64_t, std::unique_ptr<Client>>;
using ServerTable = std::unordered_map<uint64_t, std::unique_ptr<Server>>;

inline constexpr size_t kRowsPerTurn = 64;       // some 80 us
inline constexpr size_t kBucketsPerTurn = 4096;

class RowWalk {
 public:
  enum class Step : uint8_t { kMore, kDone };

  RowWalk(Collecting what, const ClientTable& clients, const ServerTable& servers);
  Step Next();
  Snapshot& rows() { return rows_; }  // when it is done

 private:
  void Begin();
  void EnterServers();
  void Copy(const Client& client);
  void Copy(const Server& server);

  const Collecting what_;
  const ClientTable& clients_;
  const ServerTable& servers_;
  std::optional<TableCursor<ClientTable>> at_client_;  // first
  std::optional<TableCursor<ServerTable>> at_server_;  // then; neither: it is through
  std::unordered_set<uint64_t> with_client_;  // servers that were copied beside their clients
  Snapshot rows_;
};

}  // namespace proxy
