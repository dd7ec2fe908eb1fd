#include "proxy/auth_query.h"

#include <algorithm>

#include "proxy/log.h"
#include "proxy/shared.h"

namespace proxy {

namespace {

using From = LookedUp::From;
using Kind = LookedUp::Kind;

// The default of PostgreSQL, with its own names first: who owns a database may set another one for it, with operators of
// their own, and auth_query runs with auth_user's rights.
constexpr const char* kSearchPath = "pg_catalog, \"$user\", public";

LookedUp Made(Kind kind, std::string remark = "") {
  LookedUp found;
  found.kind = kind;
  found.remark = std::move(remark);
  return found;
}

LookedUp FromCache(const SecretCache::Answer& kept) {
  LookedUp found = Made(kept ? Kind::kFound : Kind::kUnknown);
  if (kept) found.secret = *kept;
  found.from = From::kCache;
  return found;
}

DialOptions DialFor(const LookupPlace& place, const conf::Database& section, const Runtime& runtime) {
  const conf::Config& config = *runtime.config;
  DialOptions dial;
  dial.target.hosts = section.hosts;
  dial.target.dbname = section.dbname.empty() ? place.database : section.dbname;
  dial.target.credentials.user = place.asker;
  if (section.user == place.asker && !section.password.empty()) {
    dial.target.credentials.secret = section.password.Reveal();
  } else if (const conf::Secret* secret = config.FindSecret(place.asker)) {
    dial.target.credentials.secret = secret->Reveal();
  }
  dial.target.startup = {{"application_name", "pgweir auth_query"}, {"search_path", kSearchPath}};
  dial.target.connect_timeout = config.ResolvePool(section, place.asker).server_connect_timeout;
  dial.tls = runtime.server_tls;
  dial.keep_alive = KeepAliveOf(config.global);
  return dial;
}

}  // namespace

AuthQuery::AuthQuery(DialRoom room, std::shared_ptr<const Runtime> runtime) : room_(room), runtime_(std::move(runtime)) {}

AuthQuery::~AuthQuery() = default;

// --- from any thread -----------------------------------------------------------------------------------------------------

std::optional<AuthQuery::Plan> AuthQuery::PlanFor(const std::string& database, const std::string& user) const {
  auto lookup = conf::FindLookup(*runtime_->config, database);
  if (!lookup) return std::nullopt;
  return Plan{.key = {{std::move(lookup->place), std::move(lookup->user), std::move(lookup->query)}, user},
              .age = runtime_->config->global.auth_query_cache_age,
              .runtime = runtime_,
              .section = lookup->section,
              .epoch = epoch_};
}

std::optional<LookedUp> AuthQuery::Find(const std::string& database, const std::string& user) {
  pool::MutexLock lock(mutex_);
  const auto plan = PlanFor(database, user);
  if (!plan) return Made(Kind::kUnknown);
  const auto kept = cache_.Find(plan->key, plan->age, Now());
  if (!kept) return std::nullopt;
  return FromCache(*kept);
}

void AuthQuery::Doubt(const std::string& database, const std::string& user) {
  pool::MutexLock lock(mutex_);
  if (const auto plan = PlanFor(database, user)) cache_.Doubt(plan->key);
}

void AuthQuery::LookUp(const std::string& database, const std::string& user, Done done) {
  Post([this, database, user, done = std::move(done)] { Add({database, done}, user); });
}

void AuthQuery::SetRuntime(std::shared_ptr<const Runtime> runtime) {
  {
    pool::MutexLock lock(mutex_);
    runtime_ = std::move(runtime);
    ++epoch_;
    cache_.Clear();
  }
  Post([this] { Restart(); });
}

void AuthQuery::CloseAll() {
  Post([this] { Restart(); });
}

void AuthQuery::Post(std::function<void()> task) {
  room_.loop.Post([alive = std::weak_ptr(alive_), task = std::move(task)] {
    if (!alive.expired()) task();
  });
}

// --- who is waited for ---------------------------------------------------------------------------------------------------

void AuthQuery::Add(Waiter waiter, const std::string& user) {
  std::optional<Plan> plan;
  std::optional<SecretCache::Answer> kept;
  {
    pool::MutexLock lock(mutex_);
    plan = PlanFor(waiter.database, user);
    if (plan) kept = cache_.Find(plan->key, plan->age, Now());
  }
  if (!plan) return waiter.done(Made(Kind::kUnknown));
  if (kept) return waiter.done(FromCache(*kept));
  AddPlanned(*plan, std::move(waiter));
}

void AuthQuery::AddPlanned(const Plan& plan, Waiter waiter) {
  if (const auto found = joinable_.find(plan.key); found != joinable_.end()) {
    found->second->waiters.push_back(std::move(waiter));
    return;
  }
  Place* place = lookups_ < kLookupsMax ? PlaceFor(plan) : nullptr;
  if (place == nullptr) return waiter.done(Made(Kind::kTooMany));
  if (place->lines.empty() && HasJustFailed(*place)) return waiter.done(Made(Kind::kDown, place->failure));
  auto lookup = std::make_shared<Lookup>();
  lookup->key = plan.key;
  lookup->waiters.push_back(std::move(waiter));
  ++lookups_;
  joinable_[plan.key] = lookup;
  place->queue.push_back(std::move(lookup));
  Wake();
}

AuthQuery::Place* AuthQuery::PlaceFor(const Plan& plan) {
  if (const auto found = places_.find(plan.key.place); found != places_.end()) return &found->second;
  // Clients can make up databases where there is a section "*".
  if (places_.size() >= kLookupPlacesMax) {
    std::erase_if(places_, [](const auto& item) { return item.second.lines.empty() && item.second.queue.empty(); });
  }
  if (places_.size() >= kLookupPlacesMax) return nullptr;
  Place& place = places_[plan.key.place];
  place.dial = DialFor(plan.key.place, *plan.section, *plan.runtime);
  place.epoch = plan.epoch;
  place.shares_answers = plan.age > pool::Duration(0);
  return &place;
}

bool AuthQuery::HasJustFailed(const Place& place) { return !place.failure.empty() && Now() - place.failed_at < kAuthRetryPause; }

void AuthQuery::Answer(const std::shared_ptr<Lookup>& lookup, const LookedUp& found) {
  --lookups_;
  const auto joinable = joinable_.find(lookup->key);
  if (joinable != joinable_.end() && joinable->second == lookup) joinable_.erase(joinable);
  for (const Waiter& waiter : lookup->waiters) waiter.done(found);
}

// --- connections ---------------------------------------------------------------------------------------------------------

// In a later turn: never inside the callback of a connection, and once for many reasons.
void AuthQuery::Wake() {
  if (is_awake_) return;
  is_awake_ = true;
  Post([this] { Run(); });
}

void AuthQuery::Run() {
  is_awake_ = false;
  dead_.clear();
  for (auto& [name, place] : places_) Serve(place, name);
  std::erase_if(places_, [](const auto& item) {
    return item.second.lines.empty() && item.second.queue.empty() && !HasJustFailed(item.second);
  });
}

// Asking and opening may be answered inside the call, so nothing is kept over them.
void AuthQuery::Serve(Place& place, const LookupPlace& name) {
  while (!place.queue.empty()) {
    const auto idle = std::find_if(place.lines.begin(), place.lines.end(), [](const Line& line) { return line.connection->is_idle(); });
    if (idle != place.lines.end()) {
      const auto lookup = std::move(place.queue.front());
      place.queue.pop_front();
      // Without a cache, whoever comes from now on must see what is true from now on.
      if (!place.shares_answers) joinable_.erase(lookup->key);
      idle->lookup = lookup;
      asked_.fetch_add(1, std::memory_order_relaxed);
      idle->connection->Ask(name.query, lookup->key.user);
      continue;
    }
    const auto dialing = static_cast<size_t>(
        std::count_if(place.lines.begin(), place.lines.end(), [](const Line& line) { return line.connection->is_dialing(); }));
    if (dialing >= place.queue.size() || place.lines.size() >= kAuthConnectionsPerPlace || HasJustFailed(place)) return;
    if (connections_ >= kAuthConnectionsMax && !MakeRoom()) return;
    ++connections_;
    place.lines.push_back({std::make_unique<AuthConnection>(room_, static_cast<AuthConnection::Handler&>(*this)), nullptr});
    place.lines.back().connection->Open(place.dial);
  }
}

// Closes a connection that nobody needs at the moment.
bool AuthQuery::MakeRoom() {
  for (auto& [name, place] : places_) {
    const auto idle = std::find_if(place.lines.begin(), place.lines.end(), [](const Line& line) { return line.connection->is_idle(); });
    if (idle == place.lines.end()) continue;
    place.lines.erase(idle);
    --connections_;
    return true;
  }
  return false;
}

std::pair<AuthQuery::Places::iterator, size_t> AuthQuery::LineOf(const AuthConnection& connection) {
  for (auto place = places_.begin(); place != places_.end(); ++place) {
    for (size_t i = 0; i < place->second.lines.size(); ++i) {
      if (place->second.lines[i].connection.get() == &connection) return {place, i};
    }
  }
  return {places_.end(), 0};  // not while it is alive
}

void AuthQuery::OnOpened(AuthConnection& connection) {
  const auto [place, line] = LineOf(connection);
  place->second.failure.clear();
  Wake();
}

void AuthQuery::OnAnswer(AuthConnection& connection, const protocol::AuthQueryAnswer& answer) {
  const auto [place, line] = LineOf(connection);
  const auto lookup = std::exchange(place->second.lines[line].lookup, nullptr);
  using Read = protocol::AuthQueryAnswer::Kind;
  LookedUp found = Made(answer.kind == Read::kFound ? Kind::kFound : answer.kind == Read::kUnknown ? Kind::kUnknown : Kind::kFailed);
  found.secret = conf::Secret(answer.secret);
  found.remark = answer.remark;
  if (found.kind != Kind::kFailed) {
    pool::MutexLock lock(mutex_);
    const auto kept = found.kind == Kind::kFound ? SecretCache::Answer(found.secret) : std::nullopt;
    if (epoch_ == place->second.epoch && place->second.shares_answers) cache_.Put(lookup->key, kept, Now());
  }
  if (!answer.remark.empty()) {
    Log(Level::kWarning, found.kind == Kind::kFailed ? "auth_query_failed" : "auth_query_answer",
        {{"database", place->first.database}, {"auth_user", place->first.asker}, {"user", lookup->key.user}, {"cause", answer.remark}});
  }
  Answer(lookup, found);
  Wake();
}

void AuthQuery::OnClosed(AuthConnection& connection, AuthConnection::Closed how, const std::string& cause) {
  using Closed = AuthConnection::Closed;
  const auto [at, index] = LineOf(connection);
  Place& place = at->second;
  const auto lookup = std::move(place.lines[index].lookup);
  dead_.push_back(std::move(place.lines[index].connection));
  place.lines.erase(place.lines.begin() + static_cast<std::ptrdiff_t>(index));
  --connections_;
  Wake();
  if (how == Closed::kStale && lookup && !std::exchange(lookup->was_stale, true)) {
    place.queue.push_front(lookup);
  } else if (how != Closed::kIdle) {
    Log(Level::kWarning, "auth_query_failed",
        {{"database", at->first.database}, {"auth_user", at->first.asker}, {"cause", cause}});
    if (how == Closed::kNotOpened) {
      place.failure = cause;
      place.failed_at = Now();
    }
    if (lookup) Answer(lookup, Made(Kind::kDown, cause));
  }
  if (!place.lines.empty() || !HasJustFailed(place)) return;
  const auto waiting = std::exchange(place.queue, {});
  for (const auto& each : waiting) Answer(each, Made(Kind::kDown, place.failure));
}

void AuthQuery::Restart() {
  std::vector<std::shared_ptr<Lookup>> open;
  for (auto& [name, place] : places_) {
    for (Line& line : place.lines) {
      if (line.lookup) open.push_back(line.lookup);
    }
    open.insert(open.end(), place.queue.begin(), place.queue.end());
  }
  places_.clear();
  joinable_.clear();
  lookups_ = connections_ = 0;
  for (const auto& lookup : open) {
    for (Waiter& waiter : lookup->waiters) Add(std::move(waiter), lookup->key.user);
  }
}

}  // namespace proxy
