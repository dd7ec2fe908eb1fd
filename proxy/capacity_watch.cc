#include "proxy/capacity_watch.h"

#include <algorithm>
#include <utility>

#include "proxy/log.h"

namespace proxy {
namespace {

// Where "*" leads, a database that every server has.
constexpr const char* kEveryServersDatabase = "postgres";
constexpr const char* kNobody =
    "nobody's password is known: give a database section user and password, or keep a plain password in auth_file, or ask again when a client has logged in";

bool LeadsTo(const conf::Database& database, const conf::Host& host) {
  return std::find(database.hosts.begin(), database.hosts.end(), host) != database.hosts.end();
}

bool CanLogIn(const conf::Secret& secret) {
  return !secret.empty() && protocol::KindOf(secret.Reveal()) != protocol::SecretKind::kScram;
}

void AddOnce(std::vector<Visitor>& visitors, Visitor visitor) {
  if (visitors.size() >= kVisitorsMax) return;
  if (std::find(visitors.begin(), visitors.end(), visitor) == visitors.end()) visitors.push_back(std::move(visitor));
}

std::string Where(const CapacityRow& row) { return row.at_worst.host.name + ":" + std::to_string(row.at_worst.host.port); }

}  // namespace

std::vector<Visitor> VisitorsFor(const conf::Config& config, const conf::Host& host) {
  std::vector<Visitor> visitors;
  std::string open;  // a database whose servers are the clients' own users
  for (const auto& [section, database] : config.databases) {
    if (!LeadsTo(database, host)) continue;
    const std::string name = section == "*" ? kEveryServersDatabase : section;
    if (!database.user.empty()) AddOnce(visitors, {name, database.user});
    else if (open.empty() || open == kEveryServersDatabase) open = name;
  }
  if (open.empty()) return visitors;
  for (const bool of_console : {false, true}) {
    for (const auto& [user, secret] : config.user_list) {
      if (CanLogIn(secret) && config.IsStats(user) == of_console) AddOnce(visitors, {open, user});
    }
  }
  return visitors;
}

void CapacityWatch::OnConfigured(RuntimeRef runtime) {
  runtime_ = std::move(runtime);
  for (auto& [key, asked] : servers_) asked.told.reset();
  Begin(Due::kAll);
  if (waiting_.empty()) waiting_.emplace_back([](const auto&) {});  // so that it comes to the log
  TellWhenAll();
}

void CapacityWatch::Ask(Done done) {
  Begin(Due::kOld);
  waiting_.push_back(std::move(done));
  TellWhenAll();
}

std::set<std::string> CapacityWatch::NamesAskedFor() const {
  std::set<std::string> names;
  for (const auto& pool : shared_.pools.All()) names.insert(pool->key().database);
  return names;
}

void CapacityWatch::Begin(Due due) {
  const conf::Config& config = *runtime_->config;
  std::set<Key> wanted;
  for (const auto& [name, database] : config.databases) {
    for (const conf::Host& host : database.hosts) wanted.insert({host.name, host.port});
  }
  std::erase_if(servers_, [&](const auto& entry) { return !wanted.contains(entry.first) && !entry.second.is_asked; });
  const pool::TimePoint now = Now();
  for (const Key& key : wanted) {
    Asked& asked = servers_[key];
    if (asked.is_asked || (due == Due::kOld && now < asked.good_until)) continue;
    const conf::Host host{key.first, key.second};
    std::vector<Visitor> visitors;
    for (const auto& pool : shared_.pools.All()) {
      const conf::Database* database = config.FindDatabase(pool->key().database);
      const bool is_its = database != nullptr && (database->user.empty() || database->user == pool->key().user);
      if (is_its && LeadsTo(*database, host) && pool->welcome() != nullptr) AddOnce(visitors, {pool->key().database, pool->key().user});
    }
    for (Visitor& visitor : VisitorsFor(config, host)) AddOnce(visitors, std::move(visitor));
    asked.visitors.assign(visitors.begin(), visitors.end());
    if (visitors.empty()) {
      asked.trouble = kNobody;
      Settle(asked, pool::Duration(0));  // nothing was tried: a client may log in at any moment
      continue;
    }
    asked.give_up_at = now + kQuestionTime;
    asked.is_asked = true;
    AskNext(key);
  }
}

void CapacityWatch::AskNext(const Key& key) {
  Asked& asked = servers_[key];
  const conf::Config& config = *runtime_->config;
  while (!asked.visitors.empty() && Now() < asked.give_up_at) {
    const Visitor visitor = std::move(asked.visitors.front());
    asked.visitors.pop_front();
    const conf::Database* section = config.FindDatabase(visitor.database);
    if (section == nullptr) continue;  // a reload has taken it away
    const auto pool = shared_.pools.FindOrMakeUnlisted(config, *section, visitor.database, visitor.user);
    auto place = ConnectionPlace::Take(*pool, [shared = &shared_](std::shared_ptr<pool::Pool> hungry) {
      pool::Orders orders;
      hungry->Tick(Now(), orders);
      shared->CarryOut(static_cast<BackendPool&>(*hungry), orders, nullptr);
    });
    if (!place) {
      asked.trouble = place.error();
      continue;
    }
    const conf::Global& global = config.global;
    DialOptions options{pool->Target(), runtime_->server_tls, KeepAliveOf(global)};
    options.target.hosts = {{key.first, key.second}};
    asked.question = std::make_unique<ServerQuestion>(
        DialRoom{shared_.control_loop, shared_.resolver, shared_.helpers, shared_.hosts}, std::move(*place), kCapacityQuestion,
        [this, key, alive = std::weak_ptr(alive_)](ServerQuestion::Answer answer) {
          // In a later turn: the question is on the stack.
          shared_.control_loop.Post([this, key, alive, answer = std::move(answer)]() mutable {
            if (!alive.expired()) OnAnswer(key, std::move(answer));
          });
        });
    return asked.question->Start(std::move(options));
  }
  Settle(asked, kCapacityFailureKept);
}

void CapacityWatch::OnAnswer(const Key& key, ServerQuestion::Answer answer) {
  Asked& asked = servers_[key];
  asked.question.reset();
  auto limits = answer ? ReadLimits(*answer) : std::nullopt;
  if (limits) {
    asked.limits = std::move(limits);
    asked.answered = std::chrono::system_clock::now();
    asked.trouble.clear();
    Settle(asked, kCapacityKept);
  } else {
    asked.trouble = answer ? "the server's answer makes no sense" : answer.error();
    AskNext(key);
  }
  TellWhenAll();
}

void CapacityWatch::Settle(Asked& asked, pool::Duration kept) {
  asked.visitors.clear();
  asked.is_asked = false;
  asked.good_until = Now() + kept;
}

void CapacityWatch::TellWhenAll() {
  const bool is_open = std::any_of(servers_.begin(), servers_.end(), [](const auto& entry) { return entry.second.is_asked; });
  if (is_open || waiting_.empty()) return;
  shared_.control_loop.Post([this, alive = std::weak_ptr(alive_), waiting = std::exchange(waiting_, {})] {
    if (alive.expired()) return;
    const std::vector<CapacityRow> rows = Rows();
    for (const CapacityRow& row : rows) {
      auto& told = servers_[{row.at_worst.host.name, row.at_worst.host.port}].told;
      if (std::exchange(told, row.verdict) != row.verdict) Warn(row);
    }
    for (const Done& done : waiting) done(rows);
  });
}

std::vector<CapacityRow> CapacityWatch::Rows() const {
  std::vector<CapacityRow> rows;
  for (conf::HostCase& at_worst : conf::WorstCases(*runtime_->config, NamesAskedFor())) {
    const auto found = servers_.find({at_worst.host.name, at_worst.host.port});
    static const Asked kNever;
    const Asked& asked = found == servers_.end() ? kNever : found->second;
    rows.push_back(MakeCapacityRow(std::move(at_worst), runtime_->config->global.instances, asked.limits ? &*asked.limits : nullptr,
                                   asked.answered, asked.trouble));
  }
  return rows;
}

void CapacityWatch::Warn(const CapacityRow& row) const {
  if (row.verdict == CapacityRow::Verdict::kTooMany) {
    Log(Level::kWarning, "capacity_exceeded",
        {{"host", Where(row)}, {"worst_case", row.at_worst.connections}, {"instances", row.instances}, {"total", row.total},
         {"available", row.allowed->available()}, {"max_connections", row.allowed->max_connections}, {"hint", row.remedy}});
  } else if (!row.trouble.empty()) {
    Log(Level::kInfo, "capacity_unknown", {{"host", Where(row)}, {"cause", row.trouble}});
  }
}

}  // namespace proxy
