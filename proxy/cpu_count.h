// How many CPUs this process may use: the smaller of its affinity mask and its cgroup's quota (v2 and v1), at least 1.
#pragma once

namespace proxy {

int AllowedCpus();

}  // namespace proxy
