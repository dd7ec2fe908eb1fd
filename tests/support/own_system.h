// A program that sees a system of the test's own: another /etc/pam.d, another /dev/log. For what has a fixed place on a machine.
//
// What: the options of a child that runs in a mount namespace in which these are the test's, as UnprivilegedUser(). Nobody else sees
// it, and it ends with the child. Needs root and the right to mount: CanHaveOwnSystem says whether that is so; a container
// without CAP_SYS_ADMIN has not.
// Threads: any. Needs the programs unshare, mount and setpriv of util-linux.
#pragma once

#include <string>
#include <vector>

#include "tests/support/child_process.h"

namespace test_support {

struct OwnSystem {
  std::string pam_folder;  // for /etc/pam.d; empty = the machine's
  std::string log_socket;  // for /dev/log; empty = the machine's
  std::string folder;      // an existing one of the test's, for what has to be made on the way
};

bool CanHaveOwnSystem();
ChildOptions InOwnSystem(const OwnSystem& system, const std::vector<std::string>& program);

}  // namespace test_support
