// What a client hears at its login of the server's parameters: a ParameterStatus of each, some with the client's own value.
//
// What: the messages are written once, when a server has logged in, with the places of those that a client may have a value of its
// own for (TrackedName); Write copies the stretches between them. At a login by trust, writing each anew was a seventh of all instructions.
// Threads: immutable and shared. Limits: what a server's login has told (server_login.h).
// Source: PostgreSQL documentation, "Asynchronous Operations" (ParameterStatus).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/session_settings.h"

namespace protocol {

class Welcome {
 public:
  explicit Welcome(std::vector<Setting> parameters);
  const std::vector<Setting>& parameters() const { return parameters_; }  // as the server told them, and in that order
  // Appends the messages for a client that has these settings.
  void Write(std::string& out, const Settings& own) const;

 private:
  struct Place {
    std::string_view tracked;  // a constant of TrackedName
    size_t parameter;
    size_t begin, end;  // of its message in bytes_
  };
  std::vector<Setting> parameters_;
  std::string bytes_;
  std::vector<Place> places_;  // in the order of bytes_
};
using WelcomeRef = std::shared_ptr<const Welcome>;

}  // namespace protocol
