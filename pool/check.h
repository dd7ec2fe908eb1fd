// CHECK: a broken invariant ends the process at once, in release builds too: a wrong answer would be worse.
#pragma once

#include <cstdio>
#include <cstdlib>

#define PGWEIR_CHECK(condition)                                                                   \
  do {                                                                                            \
    if (!(condition)) [[unlikely]] {                                                              \
      std::fprintf(stderr, "pgweir: broken invariant: %s at %s:%d\n", #condition, __FILE__, __LINE__); \
      std::abort();                                                                               \
    }                                                                                             \
  } while (false)
