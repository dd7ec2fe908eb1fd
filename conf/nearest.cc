#include "conf/nearest.h"

#include <algorithm>

namespace conf {
namespace {

constexpr size_t kLongestName = 64;

}  // namespace

int EditDistance(std::string_view left, std::string_view right) {
  const size_t width = right.size() + 1;
  std::vector<int> older(width), previous(width), current(width);
  for (size_t j = 0; j < width; ++j) previous[j] = static_cast<int>(j);
  for (size_t i = 1; i <= left.size(); ++i) {
    current[0] = static_cast<int>(i);
    for (size_t j = 1; j < width; ++j) {
      const int substitution = left[i - 1] == right[j - 1] ? 0 : 1;
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + substitution});
      if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1]) {
        current[j] = std::min(current[j], older[j - 2] + 1);
      }
    }
    std::swap(older, previous);
    std::swap(previous, current);
  }
  return previous[right.size()];
}

std::optional<std::string> NearestName(std::string_view name, const std::vector<std::string_view>& valid_names) {
  if (name.size() > kLongestName) return std::nullopt;
  std::optional<std::string> nearest;
  int nearest_distance = static_cast<int>(std::max<size_t>(1, name.size() / 3)) + 1;
  for (const std::string_view candidate : valid_names) {
    const int distance = EditDistance(name, candidate);
    if (distance < nearest_distance) {
      nearest_distance = distance;
      nearest = std::string(candidate);
    }
  }
  return nearest;
}

std::string DidYouMean(std::string_view name, const std::vector<std::string_view>& valid_names) {
  const auto nearest = NearestName(name, valid_names);
  return nearest ? "; did you mean '" + *nearest + "'?" : "";
}

}  // namespace conf
