// Whether both sides of a pair have seen the same, and where not.
//
// Two differences are allowed, both because the other side's statement may have been prepared anew on another server:
// where the direct session is refused with 0A000 "cached plan must not change result type", it may succeed; and where the
// direct session is refused for the number of values that it binds (08P01), it may be refused for what the text means now.
// Threads: pure.
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
