// A pair: one application twice, through pgweir and directly, with what has happened to it lately.
//
// The model of a pair is small on purpose: PostgreSQL itself says what is right. Kept is only what the walk needs to
// choose the next step: whether the pair may hold a server of the pool, whether it has listened, and how many
// parameters its statements take. Threads: one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "tests/walk/comparison.h"
#include "tests/walk/session.h"

namespace walk {

struct HistoryEntry {
  uint64_t step = 0;
  std::string text;
  Observation direct, through;
};

inline constexpr uint64_t kOnItsWaySteps = 50;

class Pair {
 public:
  explicit Pair(int number) : number_(number) {}

  int number() const { return number_; }
  Session& direct() { return direct_; }
  Session& through() { return through_; }
  char status() const { return direct_.status(); }
  // In a transaction, or with state that may keep its server for it.
  bool MayHoldServer() const { return is_pinned_ || direct_.status() != 'I' || through_.status() != 'I'; }

  // Half of the clients prepare statements whose text reads differently under other settings ('01/02/2003'::date).
  // They never touch search_path nor temporary tables: those make PostgreSQL read the text again, at moments that
  // depend on the history of the server process and which no proxy can repeat.
  bool PreparesLiterals() const { return number_ % 2 == 0; }
  // A table or sequence of this client alone.
  std::string Own(const std::string& object) const { return object + "_" + std::to_string(number_); }

  void Pin() { is_pinned_ = true; }
  // At this step. Inside a transaction it is not certain from when on it hears; and what was sent shortly before may still be on
  // its way to the connection that listens for all.
  void Listen(uint64_t step) {
    has_listened_ = true;
    BeUncertain(std::max(step, kOnItsWaySteps) - kOnItsWaySteps);
  }
  // COMMIT AND CHAIN, too: pgweir listens, or does not, when the chain has ended.
  void BeUncertain(uint64_t step) { uncertain_ = {std::min({uncertain_.from, last_idle_, step}), UINT64_MAX}; }
  void BeIdle(uint64_t step) {
    last_idle_ = step;
    uncertain_.to = std::min(uncertain_.to, step);
  }
  const Steps& uncertain() const { return uncertain_; }
  bool has_listened() const { return has_listened_; }
  void ForgetSession();

  void NoteStatement(const std::string& name, int parameters) { parameters_of_[name] = parameters; }
  bool HasStatement(const std::string& name) const { return parameters_of_.count(name) > 0; }
  int ParametersOf(const std::string& name) const;

  void Remember(HistoryEntry entry);
  std::string Story() const;  // the last steps, both answers

 private:
  const int number_;
  Session direct_, through_;
  bool is_pinned_ = false, has_listened_ = false;
  Steps uncertain_;
  uint64_t last_idle_ = 0;
  std::map<std::string, int> parameters_of_;
  std::deque<HistoryEntry> history_;
};

}  // namespace walk
