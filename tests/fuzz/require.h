// What a fuzzer holds to be true of every input: the process dies where it is not, and libFuzzer keeps the input.
#pragma once

#include <cstdlib>

inline void Require(bool holds) {
  if (!holds) std::abort();
}
