// Asks each server what it allows: at the start, at RELOAD, and for SHOW CAPACITY when the last answer is old.
//
// What: keeps the last answer of each host and why there is no newer one; warns in the log when more may be wanted than is
// allowed, once for each time of asking or when it turns out later. Who asks: a pool that has logged in already, else the user
// of a database section, else somebody of auth_file whose password is known, those of the console last. Nobody: the row says
// so, and SHOW CAPACITY asks again when a client has logged in. The question is one connection more, under the caps.
// Threads: the control thread and its loop. Ownership: the process; goes before Shared and the loop.
// Limits: one question per host at a time, kVisitorsMax users tried; an answer is good for kCapacityKept, a failure for
// kCapacityFailureKept.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "proxy/capacity.h"
#include "proxy/server_question.h"
#include "proxy/shared.h"

namespace proxy {

inline constexpr pool::Duration kCapacityKept{60'000'000};
inline constexpr pool::Duration kCapacityFailureKept{3'000'000};  // whoever asks again and again is no storm of logins
inline constexpr size_t kVisitorsMax = 3;

// A pool, as whose server one may ask: in a database, as a user.
struct Visitor {
  std::string database, user;
  friend bool operator==(const Visitor&, const Visitor&) = default;
};
// Who may be tried at this host by the configuration alone, the likeliest first.
std::vector<Visitor> VisitorsFor(const conf::Config& config, const conf::Host& host);

class CapacityWatch {
 public:
  using Done = std::function<void(std::vector<CapacityRow>)>;

  explicit CapacityWatch(Shared& shared) : shared_(shared) {}
  CapacityWatch(const CapacityWatch&) = delete;
  CapacityWatch& operator=(const CapacityWatch&) = delete;

  void OnConfigured(RuntimeRef runtime);  // the start, and every configuration in force after it
  void Ask(Done done);                    // in a later turn

 private:
  using Key = std::pair<std::string, uint16_t>;
  struct Asked {
    std::optional<ServerLimits> limits;
    WallTime answered;
    std::string trouble;
    pool::TimePoint good_until{};
    // While it is asked.
    std::deque<Visitor> visitors;
    pool::TimePoint give_up_at{};
    std::unique_ptr<ServerQuestion> question;
    bool is_asked = false;
    std::optional<CapacityRow::Verdict> told;  // in the log, of this configuration
  };
  enum class Due : uint8_t { kAll, kOld };

  void Begin(Due due);
  void AskNext(const Key& key);
  void OnAnswer(const Key& key, ServerQuestion::Answer answer);
  void Settle(Asked& asked, pool::Duration kept);
  void TellWhenAll();
  std::vector<CapacityRow> Rows() const;
  void Warn(const CapacityRow& row) const;
  std::set<std::string> NamesAskedFor() const;

  Shared& shared_;
  RuntimeRef runtime_;
  std::map<Key, Asked> servers_;
  std::vector<Done> waiting_;
  const std::shared_ptr<const int> alive_ = std::make_shared<const int>(0);  // posted answers ask it
};

}  // namespace proxy
