// The room as main sees it: the console, the HTTP endpoint, and the timers that make the averages and the advice.
//
// What: owns the three and wires them to Control. Everything it shows comes from Control's snapshots.
// Threads: the control thread. Ownership: `control` and its loop outlive this object.
#pragma once

#include <string>
#include <tl/expected.hpp>

#include "admin/console.h"
#include "admin/http_endpoint.h"
#include "admin/timer.h"
#include "proxy/control.h"

namespace admin {

class Admin {
 public:
  explicit Admin(proxy::Control& control);

  proxy::ConsolePort& console() { return console_; }

  // Opens http_listen_addr:http_listen_port; nothing to do when the port is 0. The error says what to change.
  tl::expected<void, std::string> StartHttp();

 private:
  void OnTick();
  void OnLoadTick();

  proxy::Control& control_;
  Console console_;
  HttpEndpoint http_;
  PeriodicTimer timer_, load_timer_;
  std::shared_ptr<const char> alive_ = std::make_shared<const char>('\0');
};

}  // namespace admin
