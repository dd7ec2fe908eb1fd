#include "conf/worst_case.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <tuple>

#include "conf/hba.h"

namespace conf {
namespace {

constexpr int64_t kNoCap = std::numeric_limits<int64_t>::max();
constexpr std::string_view kFallback = "*";
constexpr int64_t kAsks = 1;  // connections by which pgweir asks a server what it allows

int64_t CapOr(int64_t cap) { return cap == 0 ? kNoCap : cap; }

// One side of the caps alone: the pools of each name, up to its cap.
int64_t SumUnder(const std::vector<PoolCase>& pools, std::string PoolCase::*name, int64_t PoolCase::*cap, int64_t more) {
  std::map<std::string_view, int64_t> wanted, caps;
  for (const PoolCase& pool : pools) {
    wanted[pool.*name] += pool.most + more;
    caps[pool.*name] = CapOr(pool.*cap);
  }
  return std::accumulate(wanted.begin(), wanted.end(), int64_t{0},
                         [&](int64_t sum, const auto& entry) { return sum + std::min(entry.second, caps[entry.first]); });
}

// The greatest flow from the databases' caps through the pools to the users' caps: first whatever fits, then by the
// shortest detours (Edmonds and Karp).
class Flow {
 public:
  Flow(const std::vector<PoolCase>& pools, int64_t more) {
    std::map<std::string_view, size_t> databases, users;
    for (const PoolCase& pool : pools) {
      const size_t database = IndexOf(databases, pool.database, database_room_, CapOr(pool.database_cap), from_database_);
      const size_t user = IndexOf(users, pool.user, user_room_, CapOr(pool.user_cap), from_user_);
      from_database_[database].push_back(edges_.size());
      from_user_[user].push_back(edges_.size());
      edges_.push_back({database, user, pool.most + more, 0});
    }
  }

  int64_t Most() {
    int64_t sum = 0;
    for (Edge& edge : edges_) {
      const int64_t taken = std::min({edge.room, database_room_[edge.database], user_room_[edge.user]});
      sum += Take(edge, taken);
      database_room_[edge.database] -= taken;
      user_room_[edge.user] -= taken;
    }
    while (const int64_t more = Detour()) sum += more;
    return sum;
  }

 private:
  struct Edge {
    size_t database, user;
    int64_t room, used;
  };
  static constexpr size_t kNone = std::numeric_limits<size_t>::max();

  static size_t IndexOf(std::map<std::string_view, size_t>& known, std::string_view name, std::vector<int64_t>& rooms, int64_t cap,
                        std::vector<std::vector<size_t>>& edges) {
    const auto [at, is_new] = known.try_emplace(name, rooms.size());
    if (is_new) {
      rooms.push_back(cap);
      edges.emplace_back();
    }
    return at->second;
  }
  static int64_t Take(Edge& edge, int64_t amount) {
    edge.room -= amount;
    edge.used += amount;
    return amount;
  }

  // One path from a database with room to a user with room, forward over pools with room and back over used ones.
  int64_t Detour() {
    const size_t databases = database_room_.size(), nodes = databases + user_room_.size();
    std::vector<size_t> by(nodes, kNone);  // the edge by which a node was reached; its own number + edges_.size() = a start
    std::vector<size_t> queue;
    for (size_t i = 0; i < databases; ++i) {
      if (database_room_[i] == 0) continue;
      by[i] = edges_.size();
      queue.push_back(i);
    }
    size_t end = kNone;
    for (size_t at = 0; at < queue.size() && end == kNone; ++at) {
      const size_t node = queue[at];
      const bool is_database = node < databases;
      for (const size_t index : is_database ? from_database_[node] : from_user_[node - databases]) {
        const Edge& edge = edges_[index];
        const size_t next = is_database ? databases + edge.user : edge.database;
        if (by[next] != kNone || (is_database ? edge.room : edge.used) == 0) continue;
        by[next] = index;
        queue.push_back(next);
        if (is_database && user_room_[edge.user] > 0) {
          end = next;
          break;
        }
      }
    }
    if (end == kNone) return 0;
    int64_t amount = user_room_[end - databases];
    const auto walk = [&](auto visit) {
      size_t node = end;
      while (by[node] != edges_.size()) {
        Edge& edge = edges_[by[node]];
        const bool is_forward = node >= databases;
        visit(edge, is_forward);
        node = is_forward ? edge.database : databases + edge.user;
      }
      return node;
    };
    const size_t start = walk([&](Edge& edge, bool is_forward) { amount = std::min(amount, is_forward ? edge.room : edge.used); });
    amount = std::min(amount, database_room_[start]);
    walk([&](Edge& edge, bool is_forward) { Take(edge, is_forward ? amount : -amount); });
    database_room_[start] -= amount;
    user_room_[end - databases] -= amount;
    return amount;
  }

  std::vector<Edge> edges_;
  std::vector<int64_t> database_room_, user_room_;
  std::vector<std::vector<size_t>> from_database_, from_user_;
};

int64_t MostOf(const std::vector<PoolCase>& pools, int64_t more) {
  const int64_t by_database = SumUnder(pools, &PoolCase::database, &PoolCase::database_cap, more);
  const int64_t by_user = SumUnder(pools, &PoolCase::user, &PoolCase::user_cap, more);
  const auto has = [&](int64_t PoolCase::*cap) {
    return std::any_of(pools.begin(), pools.end(), [cap](const PoolCase& pool) { return pool.*cap != 0; });
  };
  if (!has(&PoolCase::user_cap)) return by_database;
  if (!has(&PoolCase::database_cap)) return by_user;
  if (pools.size() > kExactPoolsMax) return std::min(by_database, by_user);
  return Flow(pools, more).Most();
}

int64_t MostOf(const PoolSettings& settings) {
  const bool tracks = settings.pool_mode != PoolMode::kSession;
  const bool listens = tracks && settings.session_state.For(StateKind::kListen) == StatePolicy::kTrack;
  return int64_t{settings.pool_size} + settings.reserve_pool_size + (listens ? 1 : 0);
}

bool LetsStrangersIn(const Config& config, const std::string& database) {
  const auto is_outside = [](AuthType type) { return type == AuthType::kPam || type == AuthType::kLdap; };
  if (FindLookup(config, database) || is_outside(config.global.auth_type)) return true;
  return config.hba && std::any_of(config.hba->rules.begin(), config.hba->rules.end(), [&](const HbaRule& rule) { return is_outside(rule.method); });
}

// The pools that may lead to one host.
class Gathering {
 public:
  Gathering(const Config& config, const std::set<std::string>& names) : config_(config) {
    for (const std::string& name : names) {
      if (!config.databases.contains(name)) fallback_names_.push_back(name);
    }
    if (fallback_names_.empty()) fallback_names_.emplace_back(kFallback);  // one at least will be asked for
    for (const auto& [name, secret] : config.user_list) {
      const auto& rejected = config.global.reject_users;
      if (std::find(rejected.begin(), rejected.end(), name) == rejected.end()) users_.push_back(name);
    }
  }

  HostCase At(const Host& host) {
    pools_.clear();
    HostCase found;
    found.host = host;
    for (const auto& [name, database] : config_.databases) {
      if (std::find(database.hosts.begin(), database.hosts.end(), host) == database.hosts.end()) continue;
      found.databases.push_back(name);
      if (database.user.empty()) {
        for (const std::string& user : users_) Add(name, database, user, found);
        if (LetsStrangersIn(config_, name)) AddStrangers(name, database, found);
      } else {
        Add(name, database, database.user, found);
      }
    }
    found.pools = pools_.size();
    found.connections = MostAtOnce(pools_, kAsks);
    if (const int cap = config_.global.max_host_connections; cap > 0) {
      found.connections = found.unbounded.empty() ? std::min<int64_t>(found.connections, cap) : cap;
      found.unbounded.clear();
    }
    found.roles = SharesBy(&PoolCase::user);
    found.dbnames = SharesBy(&PoolCase::dbname);
    for (const Share& role : found.roles) found.users.push_back(role.name);
    return found;
  }

 private:
  void Add(const std::string& section, const Database& database, const std::string& user, HostCase& found) {
    if (section != kFallback) return AddPool(section, database, user, config_.MaxDbConnections(database), found);
    const int cap = config_.MaxUserConnections(user);
    if (cap > 0) {
      // Over enough databases each of these users comes to its cap, and not further.
      if (!HasRoom(found)) return;
      pools_.push_back({std::string(kFallback), user, database.dbname, cap, 0, cap});
      return;
    }
    found.unbounded = "database \"*\" stands for any name, and user \"" + user + "\" has no max_user_connections";
    for (const std::string& name : fallback_names_) AddPool(name, database, user, config_.MaxDbConnections(database), found);
  }

  void AddStrangers(const std::string& name, const Database& database, HostCase& found) {
    const int cap = config_.MaxDbConnections(database);
    if (name == kFallback || cap == 0) {
      found.unbounded = "users who are not listed may log in to database \"" + name + "\", which " +
                        (name == kFallback ? "stands for any name" : "has no max_db_connections");
    } else if (HasRoom(found)) {
      pools_.push_back({name, "", database.dbname.empty() ? name : database.dbname, cap, cap, 0});
    }
  }

  void AddPool(const std::string& name, const Database& database, const std::string& user, int database_cap, HostCase& found) {
    if (!HasRoom(found)) return;
    const std::string dbname = !database.dbname.empty() ? database.dbname : name == kFallback ? "" : name;
    pools_.push_back({name, user, dbname, MostOf(config_.ResolvePool(database, user)), database_cap, config_.MaxUserConnections(user)});
  }

  bool HasRoom(HostCase& found) const {
    if (pools_.size() < kCountedPoolsMax) return true;
    found.unbounded = "more than " + std::to_string(kCountedPoolsMax) + " pools are possible";
    return false;
  }

  std::vector<Share> SharesBy(std::string PoolCase::*name) const {
    std::map<std::string, std::vector<PoolCase>> groups;
    for (const PoolCase& pool : pools_) groups[pool.*name].push_back(pool);
    std::vector<Share> shares;
    for (const auto& [of, pools] : groups) {
      const int cap = config_.global.max_host_connections;
      const int64_t most = MostAtOnce(pools, kAsks);
      if (!of.empty()) shares.push_back({of, cap > 0 ? std::min<int64_t>(most, cap) : most});
    }
    return shares;
  }

  const Config& config_;
  std::vector<std::string> fallback_names_, users_;
  std::vector<PoolCase> pools_;
};

}  // namespace

int64_t MostAtOnce(const std::vector<PoolCase>& pools, int64_t asks) {
  const int64_t most = MostOf(pools, 0);
  return asks == 0 ? most : std::min(MostOf(pools, asks), most + asks);
}

std::vector<HostCase> WorstCases(const Config& config, const std::set<std::string>& names) {
  const auto is_before = [](const Host& left, const Host& right) { return std::tie(left.name, left.port) < std::tie(right.name, right.port); };
  std::set<Host, decltype(is_before)> hosts(is_before);
  for (const auto& [name, database] : config.databases) hosts.insert(database.hosts.begin(), database.hosts.end());
  Gathering gathering(config, names);
  std::vector<HostCase> cases;
  for (const Host& host : hosts) cases.push_back(gathering.At(host));
  return cases;
}

}  // namespace conf
