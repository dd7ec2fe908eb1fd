// How long one waits for one of several servers: the M/M/c queue.
//
// What: clients come by chance (Poisson) with `load` servers' worth of work on the average (rate x time a server is kept), the
// time that a server is kept varies as an exponential, `servers` serve first come, first served. Real load is burstier or
// smoother than that; the model says what the size of a pool alone can do.
//   C = the chance to have to wait = B / (1 - u (1 - B)), u = load / servers, B by 1/B(n) = 1 + n / load x 1/B(n-1)
//   mean wait = C x hold / (servers - load); P(wait > t) = C x exp(-(servers - load) t / hold)
// The recursion only adds positive numbers, so that it loses no digits and overflows only where the answer is 0.
// Units: `hold` and what comes back in microseconds. Threads: pure functions. Limits: SmallestSize looks up to `most`.
// Source: A. K. Erlang 1917; Gross and Harris, "Fundamentals of Queueing Theory", M/M/c.
#pragma once

#include <optional>

namespace pool {

// 1 when the load is too much for the servers: everybody waits, longer and longer.
double ChanceToWait(int servers, double load);

struct ExpectedWait {
  double mean_us = 0, p95_us = 0;  // p95: one in twenty waits longer
};
// nullopt when load >= servers: there is no bound.
std::optional<ExpectedWait> WaitFor(int servers, double load, double hold_us);

// The fewest servers with which 95 % wait no longer than `target_us`; nullopt when even `most` are too few.
std::optional<int> SmallestSize(double load, double hold_us, double target_us, int most);

}  // namespace pool
