// load: thousands of PostgreSQL clients in one thread, for tests/bench/scenarios. Says what became of every request.
//
//   load port=6432 query='select pg_sleep(0.005)' phase=2,200 phase=2,1000         closed loop, 200 and then 1,000 clients
//   load port=6432 query='select 1' patience=1 retry=0.8 phase=5,5000,3000         3,000 arrivals per second, by Poisson
//
// Trust, simple protocol, no TLS. options.h has every key, report.h what is counted.

#include <sys/resource.h>

#include "tests/bench/load/crowd.h"

int main(int argc, char** argv) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  bench::Crowd(bench::ReadLoadOptions(argc, argv)).Run();
}
