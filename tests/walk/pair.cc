#include "tests/walk/pair.h"

namespace walk {
namespace {

constexpr size_t kHistoryEntriesMax = 100;
constexpr size_t kPrintedLinesMax = 24;
constexpr size_t kPrintedActionBytesMax = 2000;
constexpr size_t kPrintedLineBytesMax = 300;

std::string Printed(const Observation& observation) {
  std::string text;
  for (size_t i = 0; i < observation.lines.size() && i < kPrintedLinesMax; ++i) {
    text += "      " + Shortened(observation.lines[i], kPrintedLineBytesMax) + "\n";
  }
  if (observation.lines.size() > kPrintedLinesMax) text += "      [...]\n";
  return text;
}

}  // namespace

void Pair::ForgetSession() {
  is_pinned_ = has_listened_ = false;
  uncertain_ = {};
  parameters_of_.clear();
}

int Pair::ParametersOf(const std::string& name) const {
  const auto found = parameters_of_.find(name);
  return found == parameters_of_.end() ? 0 : found->second;
}

void Pair::Remember(HistoryEntry entry) {
  history_.push_back(std::move(entry));
  if (history_.size() > kHistoryEntriesMax) history_.pop_front();
}

std::string Pair::Story() const {
  std::string text;
  for (const HistoryEntry& entry : history_) {
    text += "  step " + std::to_string(entry.step) + ": " + Shortened(entry.text, kPrintedActionBytesMax) + "\n";
    if (entry.direct.lines == entry.through.lines) {
      text += "    both:\n" + Printed(entry.direct);
    } else {
      text += "    direct:\n" + Printed(entry.direct) + "    through:\n" + Printed(entry.through);
    }
  }
  return text;
}

}  // namespace walk
