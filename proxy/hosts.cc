#include "proxy/hosts.h"

#include <utility>

#include "pool/jitter.h"
#include "proxy/event_loop.h"
#include "proxy/log.h"

namespace proxy {

using Attempt = pool::HostBreaker::Attempt;
using State = pool::HostBreaker::State;

namespace {

int64_t Milliseconds(pool::Duration duration) { return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count(); }

}  // namespace

// --- a place -------------------------------------------------------------------------------------------------------------

Hosts::Place& Hosts::Place::operator=(Place&& other) noexcept {
  if (this == &other) return *this;
  Leave();
  hosts_ = std::exchange(other.hosts_, nullptr);
  host_ = std::move(other.host_);
  attempt_ = other.attempt_;
  return *this;
}

void Hosts::Place::Open() {
  if (hosts_ != nullptr) hosts_->End(*this, Ended::kOpened);
  attempt_ = Attempt::kNone;
}

void Hosts::Place::Answered() {
  if (hosts_ != nullptr) std::exchange(hosts_, nullptr)->End(*this, Ended::kAnswered);
}

void Hosts::Place::Failed(std::string cause) {
  if (hosts_ != nullptr) std::exchange(hosts_, nullptr)->Fail(*this, std::move(cause));
}

void Hosts::Place::Leave() {
  if (hosts_ == nullptr) return;
  std::exchange(hosts_, nullptr)->End(*this, attempt_ == Attempt::kNone ? Ended::kClosed : Ended::kGivenUp);
}

// --- all of them ---------------------------------------------------------------------------------------------------------

Hosts::Answer Hosts::Ask(const std::string& host) {
  const pool::TimePoint now = Now();
  pool::MutexLock lock(mutex_);
  if (entries_.size() >= kHostsMax && !entries_.contains(host)) ForgetIdle();
  auto& breaker = entries_[host].breaker;
  const Attempt attempt = breaker.Ask(now);
  if (attempt != Attempt::kNone) return {Place(*this, host, attempt), ""};
  if (breaker.state() == State::kUp) return {{}, host + ": has just come back, and is being met slowly"};
  return {{}, breaker.last_cause() + "; down for " + std::to_string(Milliseconds(now - breaker.down_since())) + " ms"};
}

void Hosts::End(const Place& place, Ended how) {
  const pool::TimePoint now = Now();
  bool came_back = false;
  pool::TimePoint down_since;
  {
    pool::MutexLock lock(mutex_);
    Entry& entry = entries_[place.host_];
    switch (how) {
      case Ended::kOpened: ++entry.connections; [[fallthrough]];
      case Ended::kAnswered:
        came_back = entry.breaker.state() != State::kUp;
        down_since = entry.breaker.down_since();
        entry.breaker.OnAnswered(place.attempt_);
        break;
      case Ended::kGivenUp: entry.breaker.OnGivenUp(place.attempt_); break;
      case Ended::kClosed: --entry.connections; break;
    }
  }
  if (came_back) Log(Level::kInfo, "host_up", {{"host", place.host_}, {"down_ms", Milliseconds(now - down_since)}});
}

void Hosts::Fail(const Place& place, std::string cause) {
  const pool::TimePoint now = Now();
  bool went_down = false;
  {
    pool::MutexLock lock(mutex_);
    auto& breaker = entries_[place.host_].breaker;
    const bool was_up = breaker.state() == State::kUp;
    breaker.OnFailed(place.attempt_, cause, now, pool::UnitRandom(random_));
    went_down = was_up && breaker.state() != State::kUp;
  }
  if (went_down) Log(Level::kWarning, "host_down", {{"host", place.host_}, {"cause", cause}});
}

void Hosts::ForgetIdle() {
  std::erase_if(entries_, [](const auto& item) { return item.second.connections == 0 && item.second.breaker.attempts() == 0; });
}

std::vector<std::string> Hosts::Connected() const {
  std::vector<std::string> names;
  pool::MutexLock lock(mutex_);
  for (const auto& [host, entry] : entries_) {
    if (entry.connections > 0) names.push_back(host.substr(0, host.rfind(':')));
  }
  return names;
}

std::vector<HostRow> Hosts::Rows() const {
  const pool::TimePoint now = Now();
  std::vector<HostRow> rows;
  pool::MutexLock lock(mutex_);
  for (const auto& [host, entry] : entries_) {
    const auto& breaker = entry.breaker;
    HostRow row{host, "up", entry.connections, breaker.attempts(), breaker.failures(), {}, {}, breaker.last_cause()};
    if (breaker.state() != State::kUp) {
      row.state = breaker.state() == State::kDown ? "down" : "probing";
      row.down_ms = Milliseconds(now - breaker.down_since());
      row.retry_ms = std::max<int64_t>(0, Milliseconds(breaker.retry_at() - now));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace proxy
