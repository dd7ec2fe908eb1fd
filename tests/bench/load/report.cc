#include "tests/bench/load/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace bench {
namespace {

constexpr double kSlotSeconds = 0.1;

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (static_cast<unsigned char>(c) < ' ') {
      quoted += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string Percentiles(std::vector<double> seconds) {
  if (seconds.empty()) return "null";
  std::sort(seconds.begin(), seconds.end());
  const auto at = [&](double share) {
    const auto index = static_cast<size_t>(share * static_cast<double>(seconds.size()));
    return seconds[std::min(index, seconds.size() - 1)] * 1e3;
  };
  return fmt::format(R"({{"min": {:.3f}, "p50": {:.3f}, "p95": {:.3f}, "p99": {:.3f}, "max": {:.3f}}})", at(0), at(0.5),
                     at(0.95), at(0.99), at(1));
}

std::string Counts(const std::map<std::string, int64_t>& counts) {
  std::string text;
  for (const auto& [name, count] : counts) text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", Quoted(name), count);
  return "{" + text + "}";
}

}  // namespace

void Report::StartPhase(const Phase& phase, double now) { stretches_.push_back({.phase = phase, .from = now}); }

void Report::Answered(double asked, double now) { answers_.push_back({now, now - asked}); }

void Report::Failed(const std::string& what, std::string_view message, double since, double now) {
  Failure& failure = failures_[{what, std::string(message)}];
  ++failure.count;
  failure.took.push_back(now - since);
  failed_at_.push_back(now);
  ++stretches_.back().errors[what];
}

void Report::GaveUp(double now) {
  ++gave_up_;
  ++stretches_.back().gave_up;
  failed_at_.push_back(now);
}

std::string Report::PhaseJson(size_t index) const {
  const Stretch& stretch = stretches_[index];
  const double from = stretch.from + settle_;
  const double until = index + 1 < stretches_.size() ? stretches_[index + 1].from : end_;
  std::vector<double> took;
  for (const Answer& answer : answers_) {
    if (answer.at >= from && answer.at < until) took.push_back(answer.took);
  }
  const double per_second = until > from ? static_cast<double>(took.size()) / (until - from) : 0;
  return fmt::format(
      R"({{"from": {:.3f}, "until": {:.3f}, "clients": {}, "rate": {:.1f}, "answers": {}, "per_second": {:.1f}, )"
      R"("latency_ms": {}, "gave_up": {}, "errors": {}}})",
      stretch.from, until, stretch.phase.clients, stretch.phase.rate, took.size(), per_second, Percentiles(took),
      stretch.gave_up, Counts(stretch.errors));
}

std::string Report::SeriesJson() const {
  struct Slot {
    int64_t answers = 0;
    int64_t failures = 0;
    double total = 0;
    double longest = 0;
  };
  std::vector<Slot> slots(static_cast<size_t>(end_ / kSlotSeconds) + 1);
  const auto slot_of = [&](double at) -> Slot& {
    return slots[std::min(static_cast<size_t>(at / kSlotSeconds), slots.size() - 1)];
  };
  for (const Answer& answer : answers_) {
    Slot& slot = slot_of(answer.at);
    ++slot.answers;
    slot.total += answer.took;
    slot.longest = std::max(slot.longest, answer.took);
  }
  for (const double at : failed_at_) ++slot_of(at).failures;
  std::string text;
  for (const Slot& slot : slots) {
    const double mean = slot.answers > 0 ? slot.total / static_cast<double>(slot.answers) : 0;
    text += fmt::format("{}[{}, {}, {:.2f}, {:.2f}]", text.empty() ? "" : ", ", slot.answers, slot.failures, mean * 1e3,
                        slot.longest * 1e3);
  }
  return "[" + text + "]";
}

std::string Report::Json(double started) const {
  std::string phases;
  for (size_t i = 0; i < stretches_.size(); ++i) phases += (i > 0 ? ", " : "") + PhaseJson(i);
  std::string failures;
  for (const auto& [name, failure] : failures_) {
    failures += fmt::format(R"({}{{"what": {}, "message": {}, "count": {}, "after_ms": {}}})", failures.empty() ? "" : ", ",
                            Quoted(name.first), Quoted(name.second), failure.count, Percentiles(failure.took));
  }
  std::vector<double> took;
  std::transform(answers_.begin(), answers_.end(), std::back_inserter(took), [](const Answer& answer) { return answer.took; });
  return fmt::format(
      R"({{"started": {:.6f}, "seconds": {:.3f}, "answers": {}, "latency_ms": {}, "errors": [{}], "gave_up": {}, )"
      R"("killed": {}, "nobody_free": {}, "connect_failures": {}, "logins": {}, "login_ms": {}, "phases": [{}], )"
      R"("slot_seconds": {}, "series_columns": ["answers", "failures", "mean_ms", "max_ms"], "series": {}}})",
      started, end_, answers_.size(), Percentiles(took), failures, gave_up_, killed_, nobody_free_,
      Counts(connect_failures_), logins_.size(), Percentiles(logins_), phases, kSlotSeconds, SeriesJson());
}

}  // namespace bench
