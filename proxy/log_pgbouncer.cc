#include "proxy/log_pgbouncer.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace proxy {
namespace {

// Control characters would let a user name forge a line.
void AppendPlain(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
      out.push_back(c);
      continue;
    }
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    out += escaped;
  }
}

struct Event {
  Level level;
  std::string_view name;
  LogFields fields;
  // The value of a field, or empty.
  std::string_view operator[](std::string_view field) const {
    for (const auto& [key, value] : fields) {
      if (key == field) return value.text();
    }
    return {};
  }
};

std::string_view Word(Level level) {
  switch (level) {
    case Level::kDebug: return "DEBUG ";
    case Level::kInfo: return "LOG ";
    case Level::kWarning: return "WARNING ";
    case Level::kError: return "ERROR ";
  }
  return "LOG ";
}

class Lines {
 public:
  // `parts` are joined as they are; what is not ours in them is escaped.
  void Add(Level level, std::initializer_list<std::string_view> parts, std::string_view word = {}) {
    std::string text(word.empty() ? Word(level) : word);
    for (const std::string_view part : parts) AppendPlain(text, part);
    lines_.push_back({level, std::move(text)});
  }
  std::vector<PgBouncerLine> Take() && { return std::move(lines_); }

 private:
  std::vector<PgBouncerLine> lines_;
};

std::string Hexadecimal(std::string_view decimal) {
  uint64_t id = 0;
  for (const char c : decimal) {
    if (c >= '0' && c <= '9') id = id * 10 + static_cast<uint64_t>(c - '0');
  }
  char text[20];
  std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(id));
  return text;
}

// "C-0x2a: shop/app@127.0.0.1:50000 ", as PgBouncer begins a line about a connection.
std::string About(const Event& event, char side) {
  const auto or_none = [](std::string_view name, std::string_view none) { return name.empty() ? none : name; };
  std::string text{side};
  text += "-0x" + Hexadecimal(event[side == 'C' ? "client" : "server"]) + ": ";
  text += or_none(event["database"], "(nodb)");
  text += '/';
  text += or_none(event["user"], "(nouser)");
  text += '@';
  text += or_none(event["addr"], "(bad-af)");
  text += ':';
  text += or_none(event["port"], "0");
  return text + ' ';
}

std::string Age(const Event& event) {
  std::string_view seconds = event["age"];
  if (const std::string_view ms = event["total_ms"]; ms.size() > 3) seconds = ms.substr(0, ms.size() - 3);
  return " (age=" + std::string(seconds.empty() ? "0" : seconds) + "s)";
}

void AddClosing(const Event& event, char side, std::string_view reason, Lines& lines) {
  lines.Add(Level::kInfo, {About(event, side), "closing because: ", reason, Age(event)});
}

// --- clients -------------------------------------------------------------------------------------------------------------

// SASL has another sentence, and the database's name is the sentence's end where PgBouncer has it there.
std::string ReasonOf(const Event& event) {
  if (event["reason"] == "password_failed" && event["auth"] == "scram-sha-256") return "SASL authentication failed";
  if (event["reason"] == "unknown_database") return "no such database: " + std::string(event["database"]);
  // The message names the database, the detail says what has failed.
  if (event["reason"] == "backend_down" && !event["detail"].empty()) return PgBouncerReason("backend_down", event["detail"]);
  return PgBouncerReason(event["reason"], event["message"]);
}

void OnLoginAttempt(const Event& event, Lines& lines) {
  const std::string_view kind = event["replication"];
  lines.Add(Level::kInfo, {About(event, 'C'), "login attempt: db=", event["database"], " user=", event["user"], " tls=", event["tls"],
                           " replication=", kind == "logical" ? "database" : kind == "physical" ? "yes" : "no"});
}

void OnLoginFailed(const Event& event, Lines& lines) {
  if (event["cause"] == "unknown user") {
    lines.Add(Level::kInfo, {About(event, 'C'), "no such user: ", event["user"]});
  } else {
    lines.Add(Level::kInfo, {About(event, 'C'), "login failed: db=", event["database"], " user=", event["user"], " cause=", event["cause"]});
  }
}

void OnClientClose(const Event& event, Lines& lines) { AddClosing(event, 'C', ReasonOf(event), lines); }

void OnPoolerError(const Event& event, Lines& lines) {
  lines.Add(Level::kWarning, {About(event, 'C'), "pooler error: ", ReasonOf(event)});
}

// --- servers -------------------------------------------------------------------------------------------------------------

void OnServerConnect(const Event& event, Lines& lines) {
  if (event["addr"] == "unix") return lines.Add(Level::kInfo, {About(event, 'S'), "new connection to server"});
  lines.Add(Level::kInfo, {About(event, 'S'), "new connection to server (from ", event["from_addr"], ":", event["from_port"], ")"});
}

void OnServerLogin(const Event& event, Lines& lines) {
  if (event["tls"] != "none") lines.Add(Level::kInfo, {About(event, 'S'), "SSL established: ", event["tls"]});
}

// PgBouncer tells hardly why it could not connect; the line with the cause is our own.
void OnServerLoginFailed(const Event& event, Lines& lines) {
  const std::string_view refusal = event["refusal"], cause = event["cause"];
  if (!refusal.empty()) {
    lines.Add(Level::kWarning, {"server login failed: ", refusal});
    return AddClosing(event, 'S', "login failed", lines);
  }
  lines.Add(Level::kWarning, {About(event, 'S'), "cannot connect: ", cause});
  const bool is_late = cause.find("server_connect_timeout") != std::string_view::npos || cause.ends_with("no answer in time");
  AddClosing(event, 'S', is_late ? "connect timeout" : "connect failed", lines);
}

void OnServerClose(const Event& event, Lines& lines) { AddClosing(event, 'S', PgBouncerReason(event["reason"], {}), lines); }

void OnServerLost(const Event& event, Lines& lines) {
  if (event["linked"] == "no" && event["fatal"] == "yes") {
    lines.Add(Level::kWarning, {About(event, 'S'), "got packet 'E' from server when not linked"});
  }
  AddClosing(event, 'S', "server conn crashed?", lines);
}

// --- the process ---------------------------------------------------------------------------------------------------------

void OnDescriptorLimit(const Event& event, Lines& lines) {
  lines.Add(Level::kInfo, {"kernel file descriptor limit: ", event["limit"], " (hard: ", event["hard"], "); max_client_conn: ",
                           event["max_client_conn"], ", max expected fd use: ", event["needed"]});
}

void OnListening(const Event& event, Lines& lines) {
  if (!event["path"].empty()) return lines.Add(Level::kInfo, {"listening on unix:", event["path"]});
  const std::string_view address = event["addr"];
  const bool is_v6 = address.find(':') != std::string_view::npos;
  lines.Add(Level::kInfo, {"listening on ", is_v6 ? "[" : "", address, is_v6 ? "]:" : ":", event["port"]});
}

void OnListenFailed(const Event& event, Lines& lines) {
  if (!event["database"].empty()) {  // the connection for LISTEN, which PgBouncer does not have
    return lines.Add(Level::kWarning, {event["database"], "/", event["user"], " cannot listen: ", event["cause"]});
  }
  lines.Add(Level::kWarning, {event["cause"]});
  lines.Add(Level::kError, {"nowhere to listen on"}, "FATAL ");
}

void OnStarted(const Event& event, Lines& lines) {
  lines.Add(Level::kInfo, {"process up: pgweir ", event["version"], ", ", event["libevent"], ", tls: ", event["tls"]});
}

void OnConfigNote(const Event& event, Lines& lines) { lines.Add(Level::kWarning, {event["note"]}); }

void OnReloadFailed(const Event& event, Lines& lines) {
  lines.Add(Level::kError, {event["cause"]});
  if (event["is_last"] != "no") lines.Add(Level::kWarning, {"config file loading failed"});
}

void OnSignal(const Event& event, Lines& lines) {
  const std::string_view name = event["name"], does = event["does"];
  std::string_view text = ", fast exit";
  if (does == "reload") text = ", re-reading config";
  if (does == "pause") text = ", pausing all activity";
  if (does == "resume") text = ", continuing from PAUSE";
  if (does == "drain" || does == "wait_for_clients") text = ", shutting down, waiting for all clients disconnect";
  if (does == "wait_for_servers") text = ", shutting down, waiting for all servers connections to be released";
  if (does == "stop_drain") text = " while shutting down, fast exit";
  lines.Add(Level::kInfo, {"got ", name, text});
}

void OnConsoleCommand(const Event& event, Lines& lines) {
  const std::string_view argument = event["argument"];
  const std::string_view quote = argument.empty() ? "" : "'";
  lines.Add(Level::kInfo, {event["command"], argument.empty() ? "" : " ", quote, argument, quote, " command issued"});
}

void OnDrained(const Event&, Lines& lines) { lines.Add(Level::kInfo, {"client connections dropped, exiting"}); }

void OnStats(const Event& event, Lines& lines) {
  lines.Add(Level::kInfo, {"stats: ", event["xacts_per_s"], " xacts/s, ", event["queries_per_s"], " queries/s, ",
                           event["client_parses_per_s"], " client parses/s, ", event["server_parses_per_s"], " server parses/s, ",
                           event["binds_per_s"], " binds/s, in ", event["in_bytes_per_s"], " B/s, out ", event["out_bytes_per_s"],
                           " B/s, xact ", event["xact_us"], " us, query ", event["query_us"], " us, wait ", event["wait_us"], " us"});
}

// Said by another line already: by that of the console's command or the signal, or before.
void SayNothing(const Event&, Lines&) {}

void OnOther(const Event& event, Lines& lines) {
  std::string text(event.name);
  for (const auto& [name, value] : event.fields) {
    if (!value.is_absent()) text.append(" ").append(name).append("=").append(value.text());
  }
  lines.Add(event.level, {text});
}

struct Row {
  std::string_view event;
  void (*render)(const Event&, Lines&);
};
constexpr Row kRows[] = {
    {"login_attempt", OnLoginAttempt}, {"client_login", SayNothing},      {"login_failed", OnLoginFailed},
    {"client_close", OnClientClose},   {"pooler_error", OnPoolerError},   {"server_connect", OnServerConnect},
    {"server_login", OnServerLogin},   {"server_login_failed", OnServerLoginFailed},
    {"server_close", OnServerClose},   {"server_lost", OnServerLost},     {"descriptor_limit", OnDescriptorLimit},
    {"listening", OnListening},        {"listen_failed", OnListenFailed}, {"started", OnStarted},
    {"config_note", OnConfigNote},     {"reload_failed", OnReloadFailed}, {"signal", OnSignal},
    {"console_command", OnConsoleCommand}, {"drained", OnDrained},        {"stats", OnStats},
    {"paused", SayNothing},            {"resumed", SayNothing},           {"reconnect", SayNothing},
    {"disabled", SayNothing},          {"enabled", SayNothing},           {"killed", SayNothing},
    {"reloaded", SayNothing},          {"drain_begins", SayNothing},      {"stopped", SayNothing},
    {"shutdown_begins", SayNothing},
};

// --- reasons -------------------------------------------------------------------------------------------------------------

struct Reason {
  std::string_view ours, pgbouncer;
};
// Names of the error catalogue, then the sentences with which a connection is closed without an error.
constexpr Reason kReasons[] = {
    {"query_wait_timeout", "query_wait_timeout"},
    {"max_client_conn", "no more connections allowed (max_client_conn)"},
    {"max_db_client_connections", "client connections exceeded (max_db_client_connections)"},
    {"max_user_client_connections", "client connections exceeded (max_user_client_connections)"},
    {"server_lost", "server conn crashed?"},
    {"server_lost_fatal", "server conn crashed?"},
    {"password_failed", "password authentication failed"},
    {"certificate_failed", "certificate authentication failed"},
    {"pam_failed", "PAM authentication failed"},
    {"ldap_failed", "LDAP authentication failed"},
    {"peer_failed", "unix socket login rejected"},
    {"rejected", "login rejected"},
    {"no_hba_entry", "login rejected"},
    {"hba_rejected", "login rejected"},
    {"client_login_timeout", "client_login_timeout"},
    {"tls_required", "SSL required"},
    {"no_user_name", "no username supplied"},
    {"user_name_too_long", "username too long"},
    {"query_timeout", "query timeout"},
    {"transaction_timeout", "transaction timeout"},
    {"idle_transaction_timeout", "idle transaction timeout"},
    {"client_idle_timeout", "client_idle_timeout"},
    {"shutting_down", "server shutting down"},
    {"killed", "admin forced disconnect"},
    {"database_removed", "database removed"},
    {"transaction_in_statement_mode", "transaction blocks not allowed in statement pooling mode"},
    {"console_forbidden", "not allowed"},
    {"client connection broke", "client unexpected eof"},
    {"cancel request sent", "successfully sent cancel request"},
    {"cancel request with an unknown key", "failed cancel request"},
    {"cancel request forwarded", "successfully sent cancel request"},
    {"cancel request for an unknown peer", "failed cancel request"},
    {"cancel request that was forwarded too often", "failed cancel request"},
    {"server lost inside of a message", "server conn crashed?"},
    {"server_check_query failed", "test query failed"},
    {"server_reset_query failed", "reset query failed"},
    {"server_reset_query took too long", "reset query failed"},
    {"client left inside a message", "client disconnect while server was not ready"},
    {"client left the protocol in a state that cannot be followed", "client disconnect while server was not ready"},
    {"replication client left", "replication client was closed"},
    {"replication client left a command or a stream", "client disconnect while server was not ready"},
    {"cleaning took too long", "client disconnect while server was not ready"},
    {"ROLLBACK did not end the transaction", "client disconnect while server was not ready"},
};

}  // namespace

std::string PgBouncerReason(std::string_view reason, std::string_view message) {
  const auto* found = std::find_if(std::begin(kReasons), std::end(kReasons), [reason](const Reason& each) { return each.ours == reason; });
  if (found != std::end(kReasons)) return std::string(found->pgbouncer);
  if (reason == "backend_down") return "server login has been failing, cached error: " + std::string(message) + " (server_login_retry)";
  return std::string(message.empty() ? reason : message);
}

std::vector<PgBouncerLine> RenderForPgBouncer(Level level, std::string_view event, LogFields fields) {
  const Event what{level, event, fields};
  Lines lines;
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows), [event](const Row& each) { return each.event == event; });
  if (row != std::end(kRows)) row->render(what, lines);
  else OnOther(what, lines);
  return std::move(lines).Take();
}

}  // namespace proxy
