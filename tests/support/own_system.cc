#include "tests/support/own_system.h"

#include <unistd.h>

#include <filesystem>

namespace test_support {

bool CanHaveOwnSystem() {
  static const bool can = geteuid() == 0 && RunProgram({.arguments = {"/usr/bin/unshare", "-m", "/bin/true"}}).exit_code == 0 &&
                          RunProgram({.arguments = {"/usr/bin/setpriv", "--version"}}).exit_code == 0;
  return can;
}

ChildOptions InOwnSystem(const OwnSystem& system, const std::vector<std::string>& program) {
  std::string script = "set -e\n";
  if (!system.pam_folder.empty()) script += "mount --bind '" + system.pam_folder + "' /etc/pam.d\n";
  if (!system.log_socket.empty()) {
    // there may be no /dev/log to mount over, and none can be made in the machine's own /dev
    const std::string dev = system.folder + "/dev";
    std::filesystem::create_directory(dev);
    script += "mount -t tmpfs none '" + dev + "'\ncp -a /dev/null /dev/zero /dev/random /dev/urandom '" + dev + "'\nln -s '" + system.log_socket + "' '" + dev +
              "/log'\nmount --bind '" + dev + "' /dev\n";
  }
  script += "exec setpriv --reuid=" + UnprivilegedUser() + " --regid=" + UnprivilegedUser() + " --clear-groups --pdeathsig KILL \"$@\"\n";
  ChildOptions options{.arguments = {"/usr/bin/unshare", "-m", "/bin/sh", "-c", script, "sh"}};
  options.arguments.insert(options.arguments.end(), program.begin(), program.end());
  return options;
}

}  // namespace test_support
