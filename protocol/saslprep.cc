// SASLprep by libidn's stringprep, wrapped so that it decides as PostgreSQL's pg_saslprep does. PostgreSQL looks for what is
// forbidden after mapping but before NFKC, RFC 4013 after both. A password that is prepared differently on the two sides
// would never match, so here PostgreSQL is right, and the profile is run in two halves.
#include <stringprep.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "protocol/sasl.h"
#include "protocol/scram.h"

namespace protocol {
namespace {

// NFKC makes 18 characters out of U+FDFA; in UTF-8 that is the most, 3 bytes become 33.
constexpr size_t kGrowthMax = 12;

using Steps = std::vector<Stringprep_profile>;

Steps StepsOf(const std::function<bool(Stringprep_profile_steps)>& wanted) {
  Steps steps;
  const Stringprep_profile* step = stringprep_saslprep;
  for (; step->operation != 0; ++step) {
    if (wanted(step->operation)) steps.push_back(*step);
  }
  steps.push_back(*step);  // the end mark
  return steps;
}

// `text` is zero-terminated inside its size and changed in place.
bool Run(const Steps& steps, std::string& text) {
  return stringprep(text.data(), text.size(), STRINGPREP_NO_UNASSIGNED, steps.data()) == STRINGPREP_OK;
}

}  // namespace

std::string PreparePassword(std::string_view password) {
  static const Steps kCheck = StepsOf([](auto step) { return step != STRINGPREP_NFKC; });
  static const Steps kChange = StepsOf([](auto step) { return step == STRINGPREP_MAP_TABLE || step == STRINGPREP_NFKC; });

  const bool is_ascii = std::all_of(password.begin(), password.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
  // libidn reads zero-terminated text and would prepare only what comes before a zero byte.
  if (is_ascii || password.find('\0') != std::string_view::npos) return std::string(password);

  std::string prepared(password.size() * kGrowthMax + 1, '\0');
  std::copy(password.begin(), password.end(), prepared.begin());
  const bool is_prepared = Run(kCheck, prepared) && Run(kChange, prepared);
  const size_t size = std::min(prepared.find('\0'), prepared.size());
  // PostgreSQL counts a password of which nothing is left as forbidden.
  if (!is_prepared || size == 0) {
    Wipe(prepared);
    return std::string(password);
  }
  prepared.resize(size);
  return prepared;
}

}  // namespace protocol
