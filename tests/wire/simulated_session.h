// A tiny PostgreSQL behind the login: eats frontend messages, emits answers as PostgreSQL orders and flushes them.
//
// What: simple and extended protocol, prepared statements and portals, transaction status, COPY both ways, function
// calls, skipping to Sync after an error, a Sync swallowed in copy-in mode. Its "SQL" (';' between statements of a
// simple query, a comment from "/*" on):
//   echo X     one row X ($1.. are parameters)      rows N       N rows              big N       one row of N bytes
//   fail X     an error with message X              failbig N    an error of N bytes notice X    a notice, then done
//   set A B    ParameterStatus A = B                setbig A N   the same, N bytes   notify X    a notification
//   begin, commit, rollback                         copyin       copyinfail (at the first CopyData)    copyout N
//   bad X      a syntax error, in Parse too         ddl          makes statements that give rows stale in all sessions
//   prepare N as X, execute N, deallocate [prepare] N|all, discard all
// and pgweir's own: set_config, and the question of what a session has left behind (protocol/session_check). The
// answers are written to by hand from the documentation, not with the code under test. What a statement's name does and
// which of several errors comes first: simulated_statements.h and PostgreSQL 15 itself. Threads: one at a time. Not
// here: sockets. Source: PostgreSQL documentation, "Message Flow"; errors in their order from postgres.c.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "tests/support/wire_messages.h"
#include "tests/wire/simulated_statements.h"

namespace wire {

class SimulatedSession {
 public:
  // Gets the bytes of each flush.
  using Output = std::function<void(std::string)>;
  explicit SimulatedSession(Output output,
                            std::shared_ptr<SimulatedStatements> statements = std::make_shared<SimulatedStatements>())
      : output_(std::move(output)), statements_(std::move(statements)) {}

  // False at Terminate.
  bool On(const test_support::Message& message);
  char status() const { return status_; }
  SimulatedStatements& statements() { return *statements_; }

 private:
  enum class Mode : uint8_t { kSimple, kExtended };
  enum class Copy : uint8_t { kNone, kTakes, kFails };
  struct Portal {
    std::string sql;
    test_support::Values parameters;
    int rows_done = 0;
  };
  struct Outcome {
    bool failed = false, is_copy_in = false, is_suspended = false;
  };
  struct Command {
    std::string verb, argument;
  };

  void OnQuery(std::string_view sql);
  void RunRest();
  void OnFunctionCall(const std::string& body);
  void OnParse(const std::string& body);
  void OnBind(const std::string& body);
  void OnDescribe(const std::string& body);
  void DescribeOneStatement(const std::string& name);
  void OnExecute(const std::string& body);
  void OnClose(const std::string& body);
  void OnCopyMessage(const test_support::Message& message);
  void EndCopy(const std::string& answer, bool failed);

  Outcome Run(const std::string& sql, Mode mode, Portal* portal, int rows_max);
  Outcome RunExecute(const Command& command, Mode mode, Portal* portal, int rows_max);
  Outcome RunPrepare(const Command& command);
  Outcome RunDeallocate(const Command& command);
  Outcome RunDiscard(Mode mode);
  Outcome Fail(std::string_view sqlstate, std::string_view message, std::string_view routine = "");
  void FailExtended(std::string_view sqlstate, std::string_view message, std::string_view routine = "");
  static Command Take(const std::string& sql);
  static bool EndsTransaction(const Command& command);
  bool GivesRows(const std::string& sql) const;
  bool IsStale(const SimulatedStatements::Statement& statement) const;
  bool SetConfig(const std::string& sql, const Portal* portal);
  bool AnswerQuestion(const std::string& sql, Mode mode);
  void Ready();
  void Emit(const std::string& bytes);
  void FlushOutput();

  const Output output_;
  const std::shared_ptr<SimulatedStatements> statements_;
  std::string out_;
  char status_ = 'I';
  bool skipping_ = false;
  Copy copy_ = Copy::kNone;
  Mode copy_mode_ = Mode::kSimple;
  int copied_ = 0;
  std::string rest_;             // statements of a simple query after the one that copies
  bool has_several_ = false;     // the simple query: an implicit transaction block
  bool is_in_pipeline_ = false;  // something was executed since the last Sync
  std::map<std::string, Portal> portals_;
  std::map<std::string, std::string> settings_;  // by names in lower case
};

}  // namespace wire
