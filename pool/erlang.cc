#include "pool/erlang.h"

#include <cmath>

namespace pool {
namespace {

constexpr double kLate = 0.05;  // of the 95th percentile

// 1/B after one server more. It may become infinite: then B is 0, which is right to the last digit.
double NextInverse(double inverse, int servers, double load) { return 1.0 + inverse * servers / load; }

double ChanceFrom(double inverse, int servers, double load) {
  if (load >= servers) return 1.0;
  const double blocked = 1.0 / inverse, use = load / servers;
  return blocked / (1.0 - use * (1.0 - blocked));
}

ExpectedWait WaitFrom(double chance, int servers, double load, double hold_us) {
  const double scale = hold_us / (servers - load);
  return {.mean_us = chance * scale, .p95_us = chance > kLate ? scale * std::log(chance / kLate) : 0.0};
}

}  // namespace

double ChanceToWait(int servers, double load) {
  if (load <= 0) return 0.0;
  double inverse = 1.0;
  for (int n = 1; n <= servers; ++n) inverse = NextInverse(inverse, n, load);
  return ChanceFrom(inverse, servers, load);
}

std::optional<ExpectedWait> WaitFor(int servers, double load, double hold_us) {
  if (load >= servers) return std::nullopt;
  return WaitFrom(ChanceToWait(servers, load), servers, load, hold_us);
}

std::optional<int> SmallestSize(double load, double hold_us, double target_us, int most) {
  if (load <= 0) return 1;
  double inverse = 1.0;
  for (int n = 1; n <= most; ++n) {
    inverse = NextInverse(inverse, n, load);
    if (load < n && WaitFrom(ChanceFrom(inverse, n, load), n, load, hold_us).p95_us <= target_us) return n;
  }
  return std::nullopt;
}

}  // namespace pool
