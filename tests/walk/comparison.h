// Whether both sides of a pair have seen the same, and where not.
//
// The one difference that is allowed: where the direct session is refused with 0A000 "cached plan must not change
// result type", the other may succeed, because its statement may have been prepared anew on another server. Threads:
// pure.
#pragma once

#include <string>

#include "tests/walk/session.h"

namespace walk {

enum class Verdict { kSame, kAllowed, kDifferent };

struct Comparison {
  Verdict verdict = Verdict::kSame;
  std::string difference;  // for people, empty unless different
};

Comparison CompareAnswers(const Observation& direct, const Observation& through);
Comparison CompareParameters(const Session& direct, const Session& through);
Comparison CompareNotifications(const std::vector<std::string>& direct, const std::vector<std::string>& through);

}  // namespace walk
