// The console itself as a pool, as PgBouncer shows its own: database and user "pgweir" (with a pgbouncer.ini "pgbouncer", which
// dashboards and alerts leave out by that name), pool_mode statement.
//
// What: counts what the console does and adds its rows to a snapshot before tables are made of it. /metrics does not
// have these rows: nothing of them passes a server. Threads: the control thread.
#pragma once

#include <string_view>

#include "conf/config.h"
#include "proxy/control.h"

namespace admin {

inline constexpr std::string_view kOwnName = "pgweir";
// Names of the console's database; PgBouncer's is kept for tools that know no other.
inline bool IsAdminDatabase(std::string_view name) { return name == kOwnName || name == "pgbouncer"; }

class OwnPool {
 public:
  explicit OwnPool(std::string_view name = kOwnName) : name_(name) {}  // a literal

  void CountCommand() {
    ++totals_.queries;
    ++totals_.transactions;
  }
  void CountBytes(size_t received, size_t sent) {
    totals_.bytes_received += received;
    totals_.bytes_sent += sent;
  }
  void OnClientCame() {
    ++clients_;
    ++totals_.client_logins;
  }
  void OnClientLeft() { --clients_; }

  void AddTo(proxy::Snapshot& snapshot) const;

 private:
  std::string_view name_;
  uint64_t clients_ = 0;  // those that have sent a message
  proxy::PoolTotals totals_;
};

}  // namespace admin
