// Runs one parsed command: asks for access, gathers what a SHOW needs, drives Control, and says what came of it.
//
// What: knows nothing of protocol messages; the console writes an Outcome to whoever asked. Authorised by default: the
// access check is the first thing that happens to every command.
// Threads: the control thread; `done` comes in this turn or in a later one, exactly once while the Executor lives, and
// not at all after it has gone.
// Limits: kReloadLinesMax lines of a reload's changes or mistakes are told; KILL WHERE ends clients, never the console's own.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "admin/command.h"
#include "admin/load_window.h"
#include "admin/own_pool.h"
#include "admin/stats_window.h"
#include "admin/table.h"
#include "protocol/error_catalog.h"
#include "proxy/control.h"

namespace admin {

inline constexpr size_t kReloadLinesMax = 200;

struct Outcome {
  std::optional<protocol::ErrorReport> error;  // when set, nothing else counts
  std::string notices;                         // complete NoticeResponse messages
  Table table;                                 // no columns: a command without rows
  std::string tag;
  bool is_empty_statement = false;
};

class Executor {
 public:
  using Done = std::function<void(Outcome)>;

  Executor(proxy::Control& control, const StatsWindow& window, const LoadWindow& loads, const OwnPool& own_pool)
      : control_(control), window_(window), loads_(loads), own_pool_(own_pool) {}
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  void Run(const Command& command, proxy::ConsoleAccess access, Done done);

 private:
  void Show(const Command& command, Done done);
  void Reload(Outcome outcome, const Done& done);
  void DryRun(Outcome outcome, const Done& done);
  void Set(const Command& command, Outcome outcome, const Done& done);
  void Pause(const Command& command, Outcome outcome, Done done);
  void KillWhere(const Command& command, Outcome outcome, Done done);
  void Drive(const Command& command, Outcome outcome, Done done);

  proxy::Control& control_;
  const StatsWindow& window_;
  const LoadWindow& loads_;
  const OwnPool& own_pool_;
  std::shared_ptr<const char> alive_ = std::make_shared<const char>('\0');  // callbacks that outlive us see it expired
};

}  // namespace admin
