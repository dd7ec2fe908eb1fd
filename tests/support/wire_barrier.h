// "The other process has read all that I sent": what makes a stream split at a byte arrive as two reads.
//
// TCP on this host only. Asks the kernel for the receive queue of the peer's socket (sock_diag); where that is not
// allowed it knows only that the bytes have left. Threads: any. Source: sock_diag(7), tcp(7) (TCP_INFO).
#pragma once

#include "tests/support/deadline.h"

namespace test_support {

// True when the peer has read everything or its socket is gone; false when it has not within the patience.
bool WaitUntilRead(int fd, Milliseconds patience = kPatience);

}  // namespace test_support
