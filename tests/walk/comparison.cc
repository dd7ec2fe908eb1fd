#include "tests/walk/comparison.h"

#include <algorithm>

namespace walk {
namespace {

constexpr size_t kPrintedLineBytesMax = 600;

Comparison CompareLists(const std::string& what, const std::vector<std::string>& direct,
                        const std::vector<std::string>& through) {
  if (direct == through) return {};
  const auto [of_direct, of_through] = std::mismatch(direct.begin(), direct.end(), through.begin(), through.end());
  const auto shown = [](const auto& at, const auto& end) {
    return at == end ? std::string("(nothing)") : Shortened(*at, kPrintedLineBytesMax);
  };
  return {Verdict::kDifferent, what + " " + std::to_string(of_direct - direct.begin() + 1) +
                                   "\n    direct:  " + shown(of_direct, direct.end()) +
                                   "\n    through: " + shown(of_through, through.end())};
}

bool IsError(const std::string& line) { return line.starts_with("error "); }

// One message differs, and it is an error on both sides.
bool IsRefusedOtherwise(const std::vector<std::string>& direct, const std::vector<std::string>& through) {
  if (direct.size() != through.size()) return false;
  const auto [at, other] = std::mismatch(direct.begin(), direct.end(), through.begin());
  if (at == direct.end() || !IsError(*at) || !IsError(*other)) return false;
  const bool is_of_values = at->find("C=08P01 M=bind message supplies") != std::string::npos ||
                            (at->find("C=22P02") != std::string::npos && at->find("portal parameter") != std::string::npos);
  return is_of_values && std::equal(at + 1, direct.end(), other + 1);
}

bool IsDescription(const std::string& line) {
  return line.starts_with("columns ") || line.starts_with("parameters") || line == "no data";
}

bool IsOfWhatIsGone(const std::vector<std::string>& direct, const std::vector<std::string>& through) {
  return through.size() == 2 && through[0].starts_with("error V=ERROR C=42P01") && through[1] == "ready I" && direct.size() > 1 &&
         direct.back() == "ready I" && std::all_of(direct.begin(), direct.end() - 1, IsDescription);
}

bool IsToldOfItsAbort(const std::vector<std::string>& direct, const std::vector<std::string>& through) {
  if (direct.empty() || through.size() < 2 || direct.back() != "ready E" || through.back() != "ready E") return false;
  const auto [at, other] = std::mismatch(direct.begin(), direct.end(), through.begin(), through.end());
  return other == through.end() - 2 && other->starts_with("error V=ERROR C=25P02");
}

bool IsRefusedEarlier(std::vector<std::string> direct, const std::vector<std::string>& through) {
  for (size_t i = 0; i + 1 < direct.size(); ++i) {
    const auto is_description = [&direct](size_t at) {
      const std::string& line = direct[at];
      return IsDescription(line) || line == "bound" || line == "parsed";
    };
    if (!is_description(i) || !IsError(direct[i + 1])) continue;
    for (size_t first = i + 1; first-- > 0 && is_description(first);) {
      direct.erase(direct.begin() + static_cast<std::ptrdiff_t>(first));
      if (direct == through) return true;
    }
    return false;
  }
  return false;
}

}  // namespace

Comparison CompareAnswers(const Observation& direct, const Observation& through) {
  if (direct.is_cut_short && through.is_cut_short) return {Verdict::kDifferent, "neither side answers"};
  Comparison comparison = CompareLists("message", direct.lines, through.lines);
  if (comparison.verdict == Verdict::kDifferent && direct.has_stale_plan && !through.has_failed &&
      !through.is_cut_short) {
    return {Verdict::kAllowed, ""};
  }
  if (comparison.verdict == Verdict::kDifferent && (IsRefusedOtherwise(direct.lines, through.lines) || IsToldOfItsAbort(direct.lines, through.lines) || IsOfWhatIsGone(direct.lines, through.lines) || IsRefusedEarlier(direct.lines, through.lines))) return {Verdict::kAllowed, ""};
  return comparison;
}

Comparison CompareParameters(const Session& direct, const Session& through) {
  if (direct.parameters() == through.parameters()) return {};
  const auto lines = [](const Session& session) {
    std::vector<std::string> lines_of;
    for (const auto& [name, value] : session.parameters()) lines_of.push_back(name + "=" + value);
    return lines_of;
  };
  return CompareLists("parameter", lines(direct), lines(through));
}

Comparison CompareNotifications(std::vector<std::string> direct, std::vector<std::string> through, Steps uncertain) {
  const auto is_uncertain = [uncertain](const std::string& notification) {
    const size_t number = notification.find_last_not_of("0123456789") + 1;
    if (number == notification.size()) return uncertain.from != UINT64_MAX;
    const uint64_t step = std::stoull(notification.substr(number));
    return step >= uncertain.from && step <= uncertain.to;
  };
  std::erase_if(direct, is_uncertain);
  std::erase_if(through, is_uncertain);
  return CompareLists("notification", direct, through);
}

}  // namespace walk
