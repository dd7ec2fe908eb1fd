#include "protocol/error_catalog.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "protocol/message_writer.h"

namespace protocol {
namespace {

using enum ErrorCode;
constexpr Severity kError = Severity::kError;
constexpr Severity kFatal = Severity::kFatal;
constexpr Severity kNotice = Severity::kNotice;

constexpr std::array<ErrorRow, static_cast<size_t>(kCount_)> kRows = {{
    // waiting and refusing
    {kQueryWaitTimeout, "query_wait_timeout", "53300", kError,
     "no server connection became free within query_wait_timeout ({})",
     "If this happens often, raise pool_size, or look in SHOW SERVERS and SHOW CLIENTS for who keeps the connections."},
    {kQueueTimeout, "queue_timeout", "53300", kError,
     "no server connection becomes free within pgweir.queue_timeout ({})",
     "The client has said that it waits no longer. If this happens often, raise pool_size."},
    {kQueueFull, "queue_full", "53300", kError, "too many clients are waiting for a server connection (max_waiting is {})",
     "If this happens often, raise pool_size or max_waiting."},
    {kShed, "shed", "53300", kError, "the pool is overloaded: nobody gets a server connection within queue_target ({})",
     "If this happens often, raise pool_size; or set queue_target to what clients may wait, 0 = until query_wait_timeout."},
    {kTooManyClients, "max_client_conn", "53300", kFatal, "no more connections allowed (max_client_conn is {})",
     "Close connections that are not needed, or raise max_client_conn."},
    {kTooManyDatabaseClients, "max_db_client_connections", "53300", kFatal,
     "no more client connections allowed for this database (max_db_client_connections is {})",
     "Close connections that are not needed, or raise max_db_client_connections."},
    {kTooManyUserClients, "max_user_client_connections", "53300", kFatal,
     "no more client connections allowed for this user (max_user_client_connections is {})",
     "Close connections that are not needed, or raise max_user_client_connections."},
    {kTooManyAddressClients, "max_client_conn_per_address", "53300", kFatal,
     "no more client connections allowed from this address (max_client_conn_per_address is {})",
     "Close connections that are not needed, or raise max_client_conn_per_address."},
    {kConnectRate, "client_connect_rate", "53300", kFatal,
     "too many new connections from this address (client_connect_rate is {} per second)",
     "Keep connections instead of opening one for each query, wait before the next attempt, or raise client_connect_rate."},
    {kOutOfDescriptors, "out_of_descriptors", "53300", kFatal, "pgweir has no file descriptors left",
     "Raise the limit of open files of the pgweir process (LimitNOFILE, ulimit -n), or lower max_client_conn."},
    // PgBouncer's text.
    {kQueryWaitNotify, "query_wait_notify", "00000", kNotice,
     "No server connection available in postgres backend, client being queued", ""},
    // backend trouble
    {kBackendDown, "backend_down", "57P03", kError, "no server for database \"{}\" can be reached",
     "Retry later; SHOW POOLS tells the trouble of each pool."},
    {kPaused, "paused", "57P03", kError, "database \"{}\" is paused", "Retry later, or have an administrator run RESUME."},
    {kServerLost, "server_lost", "08006", kError, "the server connection was lost while the query ran",
     "The query may or may not have been carried out; check before you retry."},
    {kServerLostFatal, "server_lost_fatal", "08006", kFatal,
     "the server connection was lost after a part of the answer had been sent",
     "The query may or may not have been carried out; connect again and check before you retry."},
    {kServerProtocol, "server_protocol", "08P01", kFatal, "the server sent {}",
     "Check that the host and port of this database belong to a PostgreSQL server."},
    {kServerLogin, "server_login", "57P03", kError, "server login failed: {}",
     "Check host, port, user and password of this database in the configuration of pgweir."},
    // login
    {kUnknownDatabase, "unknown_database", "3D000", kFatal, "database \"{}\" does not exist", ""},
    {kPasswordFailed, "password_failed", "28P01", kFatal, "password authentication failed for user \"{}\"", ""},
    {kRejected, "rejected", "28000", kFatal, "connection of user \"{}\" is rejected",
     "reject_users or reject_addresses of pgweir name it."},
    {kLoginTimeout, "client_login_timeout", "57014", kFatal,
     "canceling authentication due to timeout (client_login_timeout)",
     "Send the startup packet and the password sooner, or raise client_login_timeout."},
    {kTlsRequired, "tls_required", "28000", kFatal, "this connection must be encrypted",
     "Connect with sslmode=require or stronger; client_tls_sslmode of pgweir asks for it."},
    {kClearAfterTls, "clear_after_tls", "08P01", kFatal, "received unencrypted data after SSL request",
     "Either the client does not wait for the answer to its SSLRequest, or somebody on the way put bytes in."},
    {kNoUserName, "no_user_name", "28000", kFatal, "no user name specified in startup packet",
     "Name a user in the connection string (user=...)."},
    {kStartupLayout, "startup_layout", "08P01", kFatal, "invalid startup packet layout: {}",
     "Check that the client speaks the PostgreSQL protocol."},
    {kUnsupportedProtocol, "unsupported_protocol", "0A000", kFatal, "unsupported frontend protocol {}",
     "pgweir speaks protocol 3.0 and 3.2."},
    {kUnsupportedStartupParameter, "unsupported_startup_parameter", "42704", kFatal, "unsupported startup parameter: {}",
     "Leave it out, or list it in ignore_startup_parameters or track_extra_parameters."},
    {kUnsupportedStartupOption, "unsupported_startup_option", "22023", kFatal,
     "unsupported switch in startup parameter \"options\": {}", "Only \"-c name=value\" and \"--name=value\" are allowed."},
    // PostgreSQL's own words.
    {kReplicationValue, "replication_value", "22023", kFatal, "invalid value for parameter \"replication\": \"{}\"",
     "Valid values are: \"false\", 0, \"true\", 1, \"database\"."},
    {kDatabaseDisabled, "database_disabled", "57P03", kFatal, "database \"{}\" is disabled",
     "Retry later, or have an administrator run ENABLE."},
    {kUserNameTooLong, "user_name_too_long", "28000", kFatal, "the user name is too long ({} bytes)",
     "A user name may have at most 127 bytes."},
    {kLookupDown, "auth_query_down", "57P03", kFatal, "the user cannot be looked up now: server login has been failing",
     "Retry later; the log of pgweir says why (auth_query_failed)."},
    // PgBouncer's text.
    {kLookupFailed, "auth_query_failed", "F0000", kFatal, "bouncer config error (auth_query)",
     "The log of pgweir says what is wrong (auth_query_failed)."},
    // PostgreSQL's own texts: programs look for them.
    {kNoHbaEntry, "no_hba_entry", "28000", kFatal, "no pg_hba.conf entry for {}", "auth_hba_file of pgweir has no line for it."},
    {kHbaRejected, "hba_rejected", "28000", kFatal, "pg_hba.conf rejects connection for {}", "A line of auth_hba_file of pgweir says so."},
    {kCertificateFailed, "certificate_failed", "28000", kFatal, "certificate authentication failed for user \"{}\"", ""},
    {kPeerFailed, "peer_failed", "28000", kFatal, "Peer authentication failed for user \"{}\"", ""},
    {kPamFailed, "pam_failed", "28000", kFatal, "PAM authentication failed for user \"{}\"", ""},
    {kLdapFailed, "ldap_failed", "28000", kFatal, "LDAP authentication failed for user \"{}\"", ""},
    {kProxyHeader, "proxy_header", "08P01", kFatal, "malformed PROXY header: {}",
     "proxy_protocol_from of pgweir lists this peer, so each of its connections must begin with a PROXY header."},
    // timeouts
    {kQueryTimeout, "query_timeout", "57014", kError, "canceling statement due to query_timeout",
     "Make the statement faster, or raise query_timeout."},
    {kTransactionTimeout, "transaction_timeout", "25P04", kFatal, "terminating connection due to transaction_timeout",
     "Make the transaction shorter, or raise transaction_timeout."},
    {kIdleTransactionTimeout, "idle_transaction_timeout", "25P03", kFatal,
     "terminating connection due to idle_transaction_timeout",
     "Do not leave transactions open without work, or raise idle_transaction_timeout."},
    {kClientIdleTimeout, "client_idle_timeout", "57P05", kFatal, "terminating connection due to client_idle_timeout",
     "Connect again when there is work, or raise client_idle_timeout."},
    {kCanceled, "canceled", "57014", kError, "canceling statement due to user request", ""},
    // life cycle
    {kShuttingDown, "shutting_down", "57P01", kFatal, "terminating connection due to administrator command",
     "pgweir is shutting down; connect again."},
    {kKilled, "killed", "57P01", kFatal, "terminating connection due to administrator command ({})", ""},
    {kDatabaseRemoved, "database_removed", "57P01", kFatal,
     "terminating connection: database \"{}\" was removed from the configuration", ""},
    // protocol and policy
    {kProtocolViolation, "protocol_violation", "08P01", kFatal, "{}", ""},
    {kTransactionInStatementMode, "transaction_in_statement_mode", "0A000", kFatal,
     "transaction blocks are not allowed while pool_mode is statement", "Use a database or user with pool_mode transaction."},
    {kStateRejected, "state_rejected", "0A000", kError, "{} is not allowed in transaction pooling here",
     "session_state of this database or user rejects it; use pool_mode session or session_state = \"pin\"."},
    {kTooManyStatements, "too_many_prepared_statements", "54000", kError,
     "too many prepared statements in this session ({})", "Close statements that are not needed."},
    // PostgreSQL's own text: a client must not see who said it.
    {kTransactionAborted, "transaction_aborted", "25P02", kError,
     "current transaction is aborted, commands ignored until end of transaction block", ""},
    // PgBouncer's text.
    {kSimpleQueryDisabled, "disable_pqexec", "08P01", kFatal, "PQexec disallowed",
     "Use the extended query protocol (PQexecParams), or set disable_pqexec of pgweir to false."},
    {kNotificationsLost, "notifications_lost", "01000", kNotice,
     "notifications on {} may have been lost while the listening connection was down", ""},
    {kListenFailed, "listen_failed", "57P03", kError, "cannot listen: {}", ""},
    // console
    {kReloadFailed, "reload_failed", "F0000", kError, "reload failed: {}",
     "The old configuration stays in force; correct the file and run RELOAD again."},
    {kConsoleSyntax, "console_syntax", "42601", kError, "invalid command: {}", "SHOW HELP lists the commands."},
    {kConsoleForbidden, "console_forbidden", "42501", kError, "admin access needed",
     "List this user in admin_users, or use one that is listed."},
    {kConsoleState, "console_state", "55000", kError, "{}", "SHOW STATE and SHOW DATABASES tell the present state."},
    {kConsoleNoSuchDatabase, "console_no_such_database", "3D000", kError, "no such database: {}",
     "SHOW DATABASES lists the databases."},
    {kConsoleNoSuchClient, "console_no_such_client", "42704", kError, "no such client: {}",
     "SHOW CLIENTS lists the clients."},
    {kConsoleUnsupported, "console_unsupported", "0A000", kError, "{}", ""},
    {kPauseTimeout, "pause_timeout", "55P03", kError, "could not pause within {}; everything runs on as before",
     "End what keeps the servers (KILL_CLIENT id, KILL WHERE), or give PAUSE more time."},
}};

constexpr bool RowsFollowTheEnumerators() {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].code != static_cast<ErrorCode>(i)) return false;
  }
  return true;
}
static_assert(RowsFollowTheEnumerators());

std::string_view NameOf(Severity severity) {
  switch (severity) {
    case Severity::kError: return "ERROR";
    case Severity::kFatal: return "FATAL";
    case Severity::kNotice: return "NOTICE";
  }
  std::abort();
}

void WriteFields(std::string& out, char type, const ErrorReport& report) {
  const std::string_view severity = NameOf(report.severity);
  MessageWriter writer(out);
  writer.Begin(type).Byte('S').Text(severity).Byte('V').Text(severity);
  writer.Byte('C').Text(report.sqlstate).Byte('M').Text(report.message);
  if (!report.detail.empty()) writer.Byte('D').Text(report.detail);
  if (!report.hint.empty()) writer.Byte('H').Text(report.hint);
  if (report.position > 0) writer.Byte('P').Text(std::to_string(report.position));
  writer.Byte(0).End();
}

bool IsSqlState(std::string_view value) {
  return value.size() == 5 && std::all_of(value.begin(), value.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
         });
}

}  // namespace

const ErrorRow& Row(ErrorCode code) {
  const auto index = static_cast<size_t>(code);
  if (index >= kRows.size()) std::abort();
  return kRows[index];
}

ErrorReport MakeError(ErrorCode code, std::string_view subject, std::string detail) {
  const ErrorRow& row = Row(code);
  ErrorReport report{.code = code,
                     .severity = row.severity,
                     .sqlstate = std::string(row.sqlstate),
                     .message = std::string(row.message),
                     .detail = std::move(detail),
                     .hint = std::string(row.hint)};
  const size_t hole = report.message.find("{}");
  if (hole != std::string::npos) report.message.replace(hole, 2, subject);
  return report;
}

void WriteError(std::string& out, const ErrorReport& report) {
  WriteFields(out, report.severity == Severity::kNotice ? 'N' : 'E', report);
}

void WriteError(std::string& out, ErrorCode code, std::string_view subject, std::string detail) {
  WriteError(out, MakeError(code, subject, std::move(detail)));
}

void WriteNotice(std::string& out, std::string_view sqlstate, std::string_view message, std::string_view detail) {
  ErrorReport report;
  report.severity = Severity::kNotice;
  report.sqlstate = sqlstate;
  report.message = message;
  report.detail = detail;
  WriteFields(out, 'N', report);
}

ErrorFields ParseErrorFields(std::string_view body) {
  ErrorFields fields;
  std::string_view translated_severity;
  while (!body.empty() && body.front() != '\0') {
    const char type = body.front();
    body.remove_prefix(1);
    const size_t end = std::min(body.find('\0'), body.size());
    const std::string_view value = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    switch (type) {
      case 'S': translated_severity = value; break;
      case 'V': fields.severity = value; break;
      // Anything else would end up as a label in metrics.
      case 'C': fields.sqlstate = IsSqlState(value) ? value : std::string_view(); break;
      case 'M': fields.message = value; break;
      case 'D': fields.detail = value; break;
      case 'H': fields.hint = value; break;
      case 'R': fields.routine = value; break;
      default: break;
    }
  }
  if (fields.severity.empty()) fields.severity = translated_severity;  // servers before 9.6 send no 'V'
  return fields;
}

}  // namespace protocol
