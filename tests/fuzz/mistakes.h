// A refused configuration says why, each mistake on one line.
#pragma once

#include <vector>

#include "conf/loader.h"
#include "tests/fuzz/require.h"

inline void RequireLines(const std::vector<conf::Mistake>& mistakes) {
  Require(!mistakes.empty());
  for (const conf::Mistake& mistake : mistakes) Require(mistake.ToString().find('\n') == std::string::npos);
}
