// A system call that this thread, and what it starts, may not make any more: as the seccomp profiles of containers have it.
// Threads: the caller's own, which should end with the test. Errors: std::runtime_error where the kernel has no seccomp filters.
// Source: seccomp(2), prctl(2).
#pragma once

namespace test_support {

void ForbidHere(long call);  // it fails with EPERM

}  // namespace test_support
