// Threads for logins that somebody else decides: PAM and LDAP servers, which may take as long as they like.
//
// What: Ask queues a question; a thread asks it, and gives what it heard to `done`. They are apart from HelperThreads, so that a
// directory that does not answer stops no other login and no connect. They start when they are first needed.
// Whoever does not wait any more is not asked for: `asker` has expired, or the deadline has passed. A question that is being
// asked cannot be called back, it can only be unheard.
// Threads: Ask from any; `done` is called on a login thread, and may not call Ask or Stop. After Stop no `done` is called.
// Ownership: a thread that hangs in somebody else's code at Stop is left behind; it touches nothing of ours any more (see EndProcess).
// Limits: kLoginThreads, kLoginQueueMax; beyond them Ask says no.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "pool/time.h"

namespace proxy {

inline constexpr size_t kLoginThreads = 4;
inline constexpr size_t kLoginQueueMax = 256;
inline constexpr pool::Duration kLoginStopWait{2'000'000};  // how long Stop waits for the questions that are being asked

class LoginThreads {
 public:
  struct Question {
    std::weak_ptr<const void> asker;
    pool::TimePoint deadline{};
    std::function<std::string()> ask;          // owns all it needs
    std::function<void(std::string)> done;
  };

  LoginThreads();
  ~LoginThreads();
  LoginThreads(const LoginThreads&) = delete;
  LoginThreads& operator=(const LoginThreads&) = delete;
  [[nodiscard]] bool Ask(Question question);
  void Stop();

 private:
  struct State;
  static void Loop(const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;
};

// The last word of main: ends the process at once while a thread still hangs, since the end of main would pull the libraries
// away from under it.
int EndProcess(int status);

}  // namespace proxy
