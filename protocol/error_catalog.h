// Every error that pgweir itself says, in one place: SQLSTATE, severity, a stable name, message, DETAIL, HINT.
//
// What: MakeError builds an ErrorReport from the catalogue's row and the numbers of the moment; WriteError turns it into an
// ErrorResponse. Errors that a server sent are never rebuilt: they are kept as bytes or parsed by ErrorFields.
// Threads: pure functions and values. The stable name is what logs (`reason=`), metrics and SHOW ERRORS print.
// Source: PostgreSQL documentation, "Error and Notice Message Fields" and Appendix A "PostgreSQL Error Codes".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace protocol {

enum class Severity : uint8_t { kError, kFatal, kNotice };

// The order is the order of the table in error_catalog.cc; a test walks both.
enum class ErrorCode : uint8_t {
  // waiting and refusing (53xxx)
  kQueryWaitTimeout, kQueueTimeout, kQueueFull, kShed, kTooManyClients, kTooManyDatabaseClients, kTooManyUserClients,
  kTooManyAddressClients, kConnectRate, kOutOfDescriptors,
  kQueryWaitNotify,
  // backend trouble
  kBackendDown, kPaused, kServerLost, kServerLostFatal, kServerProtocol, kServerLogin,
  // login
  kUnknownDatabase, kPasswordFailed, kRejected, kLoginTimeout, kTlsRequired, kClearAfterTls, kNoUserName, kStartupLayout,
  kUnsupportedProtocol, kUnsupportedStartupParameter, kUnsupportedStartupOption, kReplicationValue, kDatabaseDisabled,
  kUserNameTooLong, kLookupDown, kLookupFailed, kNoHbaEntry, kHbaRejected, kCertificateFailed, kPeerFailed, kPamFailed, kLdapFailed,
  kProxyHeader,
  // timeouts
  kQueryTimeout, kTransactionTimeout, kIdleTransactionTimeout, kClientIdleTimeout, kCanceled,
  // life cycle
  kShuttingDown, kKilled, kDatabaseRemoved,
  // protocol and policy
  kProtocolViolation, kTransactionInStatementMode, kStateRejected, kTooManyStatements, kTransactionAborted,
  kSimpleQueryDisabled, kNotificationsLost, kListenFailed,
  // console
  kReloadFailed, kConsoleSyntax, kConsoleForbidden, kConsoleState, kConsoleNoSuchDatabase, kConsoleNoSuchClient,
  kConsoleUnsupported, kPauseTimeout,
  kCount_
};

struct ErrorReport {
  ErrorCode code{};
  Severity severity = Severity::kError;
  std::string sqlstate, message, detail, hint;
  size_t position = 0;  // in the query's text, in characters from 1; 0 = none
};

// A row of the catalogue. `message` may hold {} once; MakeError puts `subject` there.
struct ErrorRow {
  ErrorCode code;
  std::string_view name;  // "query_wait_timeout", "queue_full", ...
  std::string_view sqlstate;
  Severity severity;
  std::string_view message;
  std::string_view hint;  // empty = none
};

const ErrorRow& Row(ErrorCode);

ErrorReport MakeError(ErrorCode, std::string_view subject = {}, std::string detail = {});

// An ErrorResponse; a NoticeResponse when the severity is kNotice, which ends nothing.
void WriteError(std::string& out, const ErrorReport&);
void WriteError(std::string& out, ErrorCode, std::string_view subject = {}, std::string detail = {});
void WriteNotice(std::string& out, std::string_view sqlstate, std::string_view message, std::string_view detail = {});

// The fields of an ErrorResponse or NoticeResponse body (after the length). Absent fields are empty: a hostile server may
// leave out any of them. Views point into `body`.
struct ErrorFields {
  std::string_view severity, sqlstate, message, detail, hint, routine;
};
ErrorFields ParseErrorFields(std::string_view body);

}  // namespace protocol
