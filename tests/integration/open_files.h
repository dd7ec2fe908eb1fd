// For tests with thousands of connections: as many descriptors as this process may have.
#pragma once

#include <sys/resource.h>

namespace integration {

// False: the hard limit is less than `needed`.
inline bool RaiseOpenFiles(rlim_t needed) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  return files.rlim_max >= needed;
}

}  // namespace integration
