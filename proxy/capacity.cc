#include "proxy/capacity.h"

#include <algorithm>
#include <charconv>

namespace proxy {
namespace {

std::optional<int> ReadInt(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string Number(int64_t value) { return std::to_string(value); }

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kNamesShownMax); ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kNamesShownMax) text += " and " + std::to_string(names.size() - kNamesShownMax) + " more";
  return text;
}

using Limits = std::map<std::string, int, std::less<>>;

std::vector<CapacityRow::Limit> LimitsOf(const std::vector<conf::Share>& shares, const Limits& limits, int instances) {
  std::vector<CapacityRow::Limit> found;
  for (const conf::Share& share : shares) {
    const auto limit = limits.find(share.name);
    if (limit != limits.end()) found.push_back({share.name, share.connections * instances, limit->second});
  }
  return found;
}

// "lower ... of X to at most N": N for each pgweir.
std::string AtMost(int64_t allowed, int instances) {
  return "at most " + Number(std::max<int64_t>(allowed, 0) / instances) + (instances > 1 ? " in each of the instances" : "");
}

class Judge {
 public:
  explicit Judge(CapacityRow& row) : row_(row) {}

  void Say() {
    if (row_.allowed && row_.total > row_.allowed->available()) SayServer();
    for (const auto& role : row_.roles) {
      if (role.wanted > role.limit) SayRole(role);
    }
    for (const auto& database : row_.databases) {
      if (database.wanted > database.limit) SayDatabase(database);
    }
    const bool is_unbounded = !row_.at_worst.unbounded.empty();
    if (is_unbounded) {
      Add("give \"*\" a user that has max_user_connections, give every user max_user_connections, or name the databases in sections of their own, "
          "with max_db_connections where users are not listed");
    }
    using enum CapacityRow::Verdict;
    row_.verdict = is_too_many_ ? kTooMany : is_unbounded ? kUnbounded : row_.allowed ? kEnough : kUnknown;
  }

 private:
  void Add(const std::string& text) { row_.remedy += (row_.remedy.empty() ? "" : "; ") + text; }

  void SayServer() {
    is_too_many_ = true;
    const auto& databases = row_.at_worst.databases;
    const std::string most = AtMost(row_.allowed->available(), row_.instances);
    std::string text = databases.size() == 1 && databases[0] != "*"
                           ? "set max_db_connections of database " + databases[0] + " to " + most
                           : "set max_db_connections of the databases " + Joined(databases) + " so that they come to " + most + " together";
    text += ", or lower default_pool_size, pool_size or reserve_pool_size, or raise max_connections of the server to " +
            Number(row_.total + row_.allowed->reserved);
    Add(text);
  }
  void SayRole(const CapacityRow::Limit& role) {
    is_too_many_ = true;
    Add("role " + role.name + " may want " + Number(role.wanted) + " of its CONNECTION LIMIT " + Number(role.limit) +
        ": set its max_user_connections to " + AtMost(role.limit, row_.instances) + ", or raise the limit by ALTER ROLE");
  }
  void SayDatabase(const CapacityRow::Limit& database) {
    is_too_many_ = true;
    Add("database " + database.name + " of the server may be wanted " + Number(database.wanted) + " times, and has CONNECTION LIMIT " +
        Number(database.limit) + ": set max_db_connections of what leads to it to " + AtMost(database.limit, row_.instances) +
        ", or raise the limit by ALTER DATABASE");
  }

  CapacityRow& row_;
  bool is_too_many_ = false;
};

}  // namespace

const char* const kCapacityQuestion =
    "SELECT 'setting', name, setting FROM pg_catalog.pg_settings"
    " WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')"
    " UNION ALL (SELECT 'role', rolname, rolconnlimit::text FROM pg_catalog.pg_roles WHERE rolconnlimit >= 0 AND NOT rolsuper LIMIT 10000)"
    " UNION ALL (SELECT 'database', datname, datconnlimit::text FROM pg_catalog.pg_database WHERE datconnlimit >= 0 LIMIT 10000)";

std::string_view Name(CapacityRow::Verdict verdict) {
  switch (verdict) {
    case CapacityRow::Verdict::kEnough: return "enough";
    case CapacityRow::Verdict::kTooMany: return "too many";
    case CapacityRow::Verdict::kUnbounded: return "unbounded";
    case CapacityRow::Verdict::kUnknown: break;
  }
  return "unknown";
}

std::optional<ServerLimits> ReadLimits(const std::vector<std::vector<std::string>>& rows) {
  ServerLimits limits;
  bool has_most = false;
  for (const auto& row : rows) {
    const auto number = row.size() == 3 ? ReadInt(row[2]) : std::nullopt;
    if (!number) return std::nullopt;
    const std::string &kind = row[0], &name = row[1];
    if (kind == "setting" && name == "max_connections") {
      limits.allowed.max_connections = *number;
      has_most = true;
    } else if (kind == "setting") {
      limits.allowed.reserved += *number;
    } else if (kind == "role" && limits.roles.size() < kLimitRowsMax) {
      limits.roles.emplace(name, *number);
    } else if (kind == "database" && limits.databases.size() < kLimitRowsMax) {
      limits.databases.emplace(name, *number);
    }
  }
  if (!has_most) return std::nullopt;
  return limits;
}

CapacityRow MakeCapacityRow(conf::HostCase at_worst, int instances, const ServerLimits* limits, WallTime asked, std::string trouble) {
  CapacityRow row;
  row.instances = instances;
  row.total = at_worst.connections * instances;
  row.trouble = std::move(trouble);
  if (limits != nullptr) {
    row.allowed = limits->allowed;
    row.asked = asked;
    row.roles = LimitsOf(at_worst.roles, limits->roles, instances);
    row.databases = LimitsOf(at_worst.dbnames, limits->databases, instances);
  }
  row.at_worst = std::move(at_worst);
  Judge(row).Say();
  return row;
}

}  // namespace proxy
