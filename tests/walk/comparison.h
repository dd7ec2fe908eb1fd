// Whether both sides of a pair have seen the same, and where not.
//
// Five differences are allowed, all because the other side's statement may have been prepared anew on another server:
//  * the direct session is refused with 0A000 "cached plan must not change result type": it may succeed;
//  * the direct session is refused for the values that it binds (08P01, 22P02): it may be refused for what the text means now;
//  * both are refused with the same error: it may be so before it has described what it could not give.
//  * a statement of a table that is gone is described (no rows, nothing to look up): it may be refused (42P01);
//  * its transaction is aborted: it may be told so (25P02) in the place of what its own server still knows of a statement.
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
struct Steps {
  uint64_t from = UINT64_MAX, to = 0;
};
// Those sent at the steps `uncertain` (a payload ends with the number of its step), while this client's LISTEN was not committed,
// may reach either side or not: PostgreSQL starts to read its queue where some other listener stands.
Comparison CompareNotifications(std::vector<std::string> direct, std::vector<std::string> through, Steps uncertain = {});

}  // namespace walk
