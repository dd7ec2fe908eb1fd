// A login by PAM: the service's modules say whether user and password are right, and whether the account may be used now.
//
// What: pam_authenticate and pam_acct_mgmt. Whatever the modules prompt for without echo gets the password, as in PostgreSQL and
// PgBouncer; a prompt with echo ends the login. What they say beside is for the log. PAM_RHOST is the client's address.
// Threads: blocks for as long as the modules like (a refusal often takes two seconds): login threads only (login_threads.h). Each call
// has a handle of its own, so several may run at once.
// Limits: kPamMessagesMax bytes of the modules' words are kept. Source: Linux-PAM, "The Linux-PAM Application Developers' Guide".
#pragma once

#include <string>

#include "conf/secret.h"

namespace proxy {

inline constexpr size_t kPamMessagesMax = 200;

struct PamQuestion {
  std::string service;
  std::string config_dir;  // of the services; empty = the system's
  std::string user, remote_host;
  conf::Secret password;
};

// The empty text when it is let in, else why not, for the log.
std::string AskPam(const PamQuestion& question);

}  // namespace proxy
