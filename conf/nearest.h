// "did you mean": the valid name nearest to a mistyped one.
//
// What: edit distance with neighbour swaps (optimal string alignment). Nothing is suggested when more than about a
// third
// of the name would have to change. Cost is product of lengths; names longer than 64 bytes get no suggestion.
// Threads: none; no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conf {

int EditDistance(std::string_view left, std::string_view right);
std::optional<std::string> NearestName(std::string_view name, const std::vector<std::string_view>& valid_names);

// "; did you mean 'x'?" or nothing: the tail of a message about an unknown name.
std::string DidYouMean(std::string_view name, const std::vector<std::string_view>& valid_names);

}  // namespace conf
