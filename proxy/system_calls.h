// The system calls of a round trip, without glibc's cancellation points.
//
// What: the same calls with the same results as recv, send and epoll_wait. In a process with threads glibc makes each of them a place
// where a thread may be cancelled, which costs 50 instructions before and behind it: 300 of a simple round trip (tests/bench/guard).
// Nobody cancels a thread here. Threads: any.
// Source: pthreads(7), "Cancellation points"; recvfrom(2), sendto(2), epoll_pwait(2).
#pragma once

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace proxy {

inline ssize_t Receive(int fd, char* bytes, size_t capacity) { return syscall(SYS_recvfrom, fd, bytes, capacity, 0, nullptr, nullptr); }

inline ssize_t SendNow(int fd, const char* bytes, size_t count, int flags) {
  return syscall(SYS_sendto, fd, bytes, count, flags, nullptr, 0);
}

// timeout_ms -1 = for ever. epoll_pwait, since not every machine has the older call.
inline int WaitForEvents(int epoll_fd, epoll_event* events, int capacity, int timeout_ms) {
  return static_cast<int>(syscall(SYS_epoll_pwait, epoll_fd, events, capacity, timeout_ms, nullptr, 0));
}

// Of a call that did nothing: the descriptor is to be asked again when it is ready, and is well.
inline bool IsForLater(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace proxy
