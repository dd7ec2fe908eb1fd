#include "tests/walk/world.h"

#include <algorithm>

namespace walk {

using namespace test_support;

namespace {

constexpr char kDirectDatabase[] = "second", kThroughDatabase[] = "app";
// Those who hold a server are asked more often, or nothing would ever happen inside a transaction.
constexpr int kHolderPercent = 55;
constexpr int kDrawsMax = 200;
// A failed transaction refuses everything: mostly it is ended at once.
constexpr int kEndFailedPercent = 50;
constexpr int kUseWithoutStatePercent = 15;

}  // namespace

World::World(WorldOptions options)
    : options_(std::move(options)), dice_(Dice(options_.seed).Next()), monitor_(options_.monitor) {
  std::set<std::string> known = {kStartupGroup};
  for (auto* make : {SettingOperations, TransactionOperations, StatementOperations, StateOperations, ListenOperations,
                     StreamOperations}) {
    for (const Operation& operation : make()) {
      known.insert(operation.group);
      if (IsWanted(operation.group)) operations_.push_back(operation);
    }
  }
  for (const std::string& group : options_.only) {
    if (known.count(group) == 0) throw std::runtime_error("PGWEIR_WALK_ONLY: no group " + group);
  }
  for (int number = 0; number < options_.clients; ++number) pairs_.push_back(std::make_unique<Pair>(number));
}

bool World::IsWanted(const std::string& group) const {
  if (group == kAlwaysGroup) return true;
  return options_.only.empty() ? group != kHiddenGroup : options_.only.count(group) > 0;
}

void World::Run() {
  for (const auto& pair : pairs_) Connect(*pair);
  while (step_ < options_.steps && differences_.size() < options_.differences_max) Step();
}

void World::CloseAll() {
  for (const auto& pair : pairs_) {
    pair->direct().End(Ending::kTerminate);
    pair->through().End(Ending::kTerminate);
  }
}

void World::Connect(Pair& pair) {
  const Names settings = IsWanted(kStartupGroup) ? DrawStartupSettings(dice_, pair) : Names();
  std::string text = "connects";
  for (const auto& [name, value] : settings) text += " " + name + "='" + value + "'";
  const auto startup = [&](const char* database) {
    Names names = {{"user", "app"}, {"database", database}};
    names.insert(names.end(), settings.begin(), settings.end());
    return names;
  };
  const Observation direct = pair.direct().Connect(options_.direct_port, startup(kDirectDatabase));
  const Observation through = pair.through().Connect(options_.through_port, startup(kThroughDatabase));
  pair.Remember({step_, text, direct, through});
  Judge(pair, direct, through);
}

void World::Step() {
  ++step_;
  has_differed_ = false;
  Pair& pair = DrawPair();
  const Operation* operation = DrawOperation(pair);
  if (operation != nullptr) Perform(pair, *operation);
}

Pair& World::DrawPair() {
  if (dice_.Percent(kHolderPercent)) {
    std::vector<Pair*> holders;
    for (const auto& pair : pairs_) {
      if (pair->MayHoldServer()) holders.push_back(pair.get());
    }
    if (!holders.empty()) return *holders[dice_.Below(holders.size())];
  }
  return *pairs_[dice_.Below(pairs_.size())];
}

int World::Holders() const {
  return static_cast<int>(
      std::count_if(pairs_.begin(), pairs_.end(), [](const auto& pair) { return pair->MayHoldServer(); }));
}

bool World::MayTake(const Operation& operation, const Pair& pair) {
  if (operation.who == Who::kWithLiterals && !pair.PreparesLiterals()) return false;
  if (operation.who == Who::kWithoutLiterals && pair.PreparesLiterals()) return false;
  if (pair.MayHoldServer() || operation.keeps == Keeps::kNothing) return true;
  if (operation.keeps == Keeps::kNothingNew) return dice_.Percent(kUseWithoutStatePercent);
  return Holders() < options_.servers - 1;
}

const Operation* World::DrawOperation(const Pair& pair) {
  const bool must_end = pair.status() == 'E' && dice_.Percent(kEndFailedPercent);
  uint64_t total = 0;
  for (const Operation& operation : operations_) total += operation.weight;
  for (int draw = 0; draw < kDrawsMax; ++draw) {
    uint64_t at = dice_.Below(total);
    const auto chosen = std::find_if(operations_.begin(), operations_.end(), [&](const Operation& operation) {
      if (at < operation.weight) return true;
      at -= operation.weight;
      return false;
    });
    if (must_end && std::string(chosen->group) != kAlwaysGroup) continue;
    if (MayTake(*chosen, pair)) return &*chosen;
  }
  return nullptr;
}

void World::Perform(Pair& pair, const Operation& operation) {
  Draw draw{dice_, pair, step_};
  const Action action = operation.make(draw);
  Count& count = counts_[operation.group];
  ++count.taken;
  if (action.ending != Ending::kNone) return Reconnect(pair, action);
  if (operation.keeps == Keeps::kSession) pair.Pin();
  if (action.listens) pair.Listen(step_);
  if (action.text.find("AND CHAIN") != std::string::npos) pair.BeUncertain(step_);

  const bool was_in_transaction = pair.status() != 'I';
  const Observation direct = pair.direct().Perform(action);
  const Observation through = pair.through().Perform(action);
  pair.Remember({step_, action.text, direct, through});
  if (pair.status() == 'I') pair.BeIdle(step_);
  if (direct.has_failed) ++count.refused;
  Judge(pair, direct, through);
  if (has_differed_) return;
  if (action.cleans_session && !direct.has_failed) pair.ForgetSession();
  const bool may_have_notified = std::string(operation.group) == kListenGroup || was_in_transaction;
  if (may_have_notified && pair.status() == 'I') CompareIdleListeners();
}

void World::Judge(Pair& pair, const Observation& direct, const Observation& through) {
  const Comparison answers = CompareAnswers(direct, through);
  if (answers.verdict == Verdict::kAllowed) {
    ForgiveStalePlan(pair);
    return;
  }
  if (answers.verdict == Verdict::kDifferent) return Differ(pair, answers.difference);
  const Comparison parameters = CompareParameters(pair.direct(), pair.through());
  if (parameters.verdict == Verdict::kDifferent) return Differ(pair, parameters.difference);
  if (pair.status() == 'I') CompareNotificationsOf(pair);
}

// One transaction has failed and the other has not: both are given up, and the pair is one again.
void World::ForgiveStalePlan(Pair& pair) {
  ++forgiven_;
  if (pair.status() == 'I') return;
  const Action rollback = Simple("ROLLBACK");
  const Observation direct = pair.direct().Perform(rollback), through = pair.through().Perform(rollback);
  pair.Remember({step_, "ROLLBACK after a stale plan", direct, through});
  Judge(pair, direct, through);
}

// The direct side has them all: PostgreSQL sends what was committed before the command ahead of its ReadyForQuery.
void World::CompareNotificationsOf(Pair& pair) {
  heard_ += pair.direct().notifications();
  const bool is_uncertain = pair.uncertain().from != UINT64_MAX;
  const std::vector<std::string> direct = pair.direct().TakeNotifications();
  const bool have_come = pair.through().AwaitNotifications(direct.size()) || is_uncertain;
  const Comparison comparison = CompareNotifications(direct, pair.through().TakeNotifications(), pair.uncertain());
  if (comparison.verdict == Verdict::kDifferent || !have_come) Differ(pair, comparison.difference);
}

// Every idle listener hears at once, without asking. The direct one asks by a Sync, which changes nothing, only to know
// how many there are.
void World::CompareIdleListeners() {
  for (const auto& pair : pairs_) {
    if (has_differed_) return;
    if (!pair->has_listened() || pair->status() != 'I') continue;
    const Observation heard = pair->direct().Perform(SyncPart());
    if (pair->direct().notifications() == 0) continue;
    pair->Remember({step_, "awaits notifications", heard, heard});
    CompareNotificationsOf(*pair);
  }
}

void World::Reconnect(Pair& pair, const Action& action) {
  pair.Remember({step_, action.text, {}, {}});
  pair.direct().End(action.ending);
  pair.through().End(action.ending);
  pair.ForgetSession();
  AwaitEqualLocks(pair);
  if (!has_differed_) Connect(pair);
}

// A server process lets go of its advisory locks some time after its client has left; the next one to try them must not
// meet them on one side only.
void World::AwaitEqualLocks(Pair& pair) {
  const auto locks = [&](const char* database) {
    return monitor_.Value(std::string("SELECT coalesce(string_agg(concat_ws('/', classid, objid, objsubid, mode, n), "
                                      "' ' ORDER BY classid, objid, objsubid, mode), '') FROM (SELECT classid, objid, "
                                      "objsubid, mode, count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND "
                                      "database = (SELECT oid FROM pg_database WHERE datname = '") +
                          database + "') GROUP BY 1, 2, 3, 4) AS held");
  };
  if (!Eventually([&] { return locks(kDirectDatabase) == locks(kThroughDatabase); })) {
    Differ(pair, "advisory locks after a client has left\n    direct:  " + locks(kDirectDatabase) +
                     "\n    through: " + locks(kThroughDatabase));
  }
}

void World::Differ(Pair& pair, const std::string& what) {
  has_differed_ = true;
  differences_.push_back("seed " + std::to_string(options_.seed) + ", step " + std::to_string(step_) + ", client " +
                         std::to_string(pair.number()) + ": " + what + "\n" + pair.Story());
  if (differences_.size() >= options_.differences_max) return;
  pair.direct().End(Ending::kTerminate);
  pair.through().End(Ending::kTerminate);
  pair.ForgetSession();
  Connect(pair);
}

std::string World::Summary() const {
  std::string text = "seed " + std::to_string(options_.seed) + ": " + std::to_string(step_) + " steps, " +
                     std::to_string(forgiven_) + " stale plans and errors of Bind forgiven, " + std::to_string(heard_) +
                     " notifications; taken/refused:";
  for (const auto& [group, count] : counts_) {
    text += " " + group + " " + std::to_string(count.taken) + "/" + std::to_string(count.refused);
  }
  return text;
}

}  // namespace walk
