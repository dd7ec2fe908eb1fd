// What the console keeps for one client: prepared statements, portals, and whether it skips to the next Sync.
//
// What: answers every message of the extended protocol but Execute, whose command the console runs; then the session
// writes the rows. Commands are kept parsed, so a statement is a few hundred bytes. Threads: the control thread.
// Limits: kConsoleStatementsMax statements, kConsolePortalsMax portals.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "admin/command.h"
#include "admin/executor.h"
#include "admin/table.h"

namespace admin {

inline constexpr size_t kConsoleStatementsMax = 64;
inline constexpr size_t kConsolePortalsMax = 16;
inline constexpr size_t kConsoleNameBytesMax = 255;

class ConsoleSession {
 public:
  enum class Phase : uint8_t { kReady, kSkipping };

  Phase phase() const { return phase_; }

  // Parse, Bind, Describe, Close, Sync, Flush, Copy*, FunctionCall and anything unknown. Returns the answer.
  std::string Answer(char type, std::string_view body);

  // A simple query ends the portals and the unnamed statement.
  void OnQuery();

  struct Portal {
    Command command;
    std::vector<Format> formats;
    Outcome outcome;  // once it has been executed
    size_t next_row = 0;
    enum class State : uint8_t { kBound, kSuspended, kDone } state = State::kBound;
  };
  Portal* FindPortal(std::string_view name);

  // The next rows of an executed portal, then CommandComplete or PortalSuspended; or its error.
  std::string WriteRows(Portal& portal, uint32_t rows_max);
  // An ErrorResponse; everything up to the next Sync is skipped after it.
  std::string Fail(const protocol::ErrorReport& report);

 private:
  std::string OnParse(std::string_view body);
  std::string OnBind(std::string_view body);
  std::string OnDescribe(std::string_view body);
  std::string OnClose(std::string_view body);

  Phase phase_ = Phase::kReady;
  std::map<std::string, Command, std::less<>> statements_;  // "" = the unnamed one
  std::map<std::string, Portal, std::less<>> portals_;
};

// An error of the conversation, not of a command: no row of the catalogue has its SQLSTATE.
protocol::ErrorReport ConversationError(std::string_view sqlstate, std::string_view message);
protocol::ErrorReport MalformedMessage(std::string_view name);
protocol::ErrorReport NoSuchPortal(std::string_view name);

}  // namespace admin
