#include "admin/console_session.h"

#include "admin/console_messages.h"
#include "admin/show_tables.h"
#include "admin/text.h"
#include "protocol/message_writer.h"

namespace admin {
namespace {

using protocol::MessageWriter;

std::string Quote(std::string_view name) { return '"' + Printable(name) + '"'; }

std::string EmptyMessage(char type) {
  std::string out;
  MessageWriter(out).Begin(type).End();
  return out;
}

void WriteDescription(std::string& out, const Columns& columns, std::span<const Format> formats) {
  if (columns.empty()) {
    out += EmptyMessage('n');
  } else {
    WriteRowDescription(out, columns, formats);
  }
}

}  // namespace

protocol::ErrorReport ConversationError(std::string_view sqlstate, std::string_view message) {
  protocol::ErrorReport report = protocol::MakeError(protocol::ErrorCode::kProtocolViolation, message);
  report.severity = protocol::Severity::kError;  // the session goes on after the next Sync
  report.sqlstate = sqlstate;
  return report;
}

protocol::ErrorReport MalformedMessage(std::string_view name) {
  return ConversationError("08P01", "malformed " + std::string(name) + " message");
}

protocol::ErrorReport NoSuchPortal(std::string_view name) {
  return ConversationError("34000", "portal " + Quote(name) + " does not exist");
}

std::string ConsoleSession::Fail(const protocol::ErrorReport& report) {
  phase_ = Phase::kSkipping;
  std::string out;
  protocol::WriteError(out, report);
  return out;
}

void ConsoleSession::OnQuery() {
  portals_.clear();
  statements_.erase(std::string());
}

ConsoleSession::Portal* ConsoleSession::FindPortal(std::string_view name) {
  const auto found = portals_.find(name);
  return found == portals_.end() ? nullptr : &found->second;
}

std::string ConsoleSession::Answer(char type, std::string_view body) {
  std::string out;
  if (type == 'S') {
    phase_ = Phase::kReady;
    portals_.clear();  // the implicit transaction ends
    protocol::WriteReadyForQuery(out, 'I');
    return out;
  }
  if (phase_ == Phase::kSkipping) return out;
  switch (type) {
    case 'P':
      return OnParse(body);
    case 'B':
      return OnBind(body);
    case 'D':
      return OnDescribe(body);
    case 'C':
      return OnClose(body);
    case 'H':
    case 'd':
    case 'c':
    case 'f':
      return out;
    case 'F':  // not of the extended protocol: no Sync follows
      protocol::WriteError(out, ConversationError("0A000", "function calls are not supported by the console"));
      protocol::WriteReadyForQuery(out, 'I');
      return out;
    default:
      return Fail(ConversationError("08P01", "unexpected message of type " + Quote(std::string_view(&type, 1))));
  }
}

std::string ConsoleSession::OnParse(std::string_view body) {
  const auto message = ReadParse(body);
  if (!message) return Fail(MalformedMessage("Parse"));
  if (message->parameter_types > 0) return Fail(ConversationError("0A000", "the console takes no parameters"));
  if (message->statement.size() > kConsoleNameBytesMax) {
    return Fail(ConversationError("42622", "the name of the prepared statement is too long"));
  }
  if (!message->statement.empty() && statements_.contains(message->statement)) {
    return Fail(ConversationError("42P05", "prepared statement " + Quote(message->statement) + " already exists"));
  }
  if (!statements_.contains(message->statement) && statements_.size() >= kConsoleStatementsMax) {
    return Fail(ConversationError("54000", "too many prepared statements in this console session (at most " +
                                               std::to_string(kConsoleStatementsMax) + ")"));
  }
  ParseResult command = ParseCommand(message->sql);
  if (!command) return Fail(command.error());
  statements_.insert_or_assign(std::string(message->statement), std::move(*command));
  return EmptyMessage('1');
}

std::string ConsoleSession::OnBind(std::string_view body) {
  auto message = ReadBind(body);
  if (!message) return Fail(MalformedMessage("Bind"));
  const auto statement = statements_.find(message->statement);
  if (statement == statements_.end()) {
    return Fail(ConversationError("26000", "prepared statement " + Quote(message->statement) + " does not exist"));
  }
  if (message->parameters > 0) {
    return Fail(ConversationError("08P01", "bind message supplies " + std::to_string(message->parameters) +
                                               " parameters, but the console takes none"));
  }
  if (message->portal.size() > kConsoleNameBytesMax)
    return Fail(ConversationError("42622", "the portal's name is too long"));
  if (!message->portal.empty() && portals_.contains(message->portal)) {
    return Fail(ConversationError("42P03", "portal " + Quote(message->portal) + " already exists"));
  }
  if (!portals_.contains(message->portal) && portals_.size() >= kConsolePortalsMax) {
    return Fail(ConversationError("54000", "too many portals (at most " + std::to_string(kConsolePortalsMax) + ")"));
  }
  const Columns columns = ColumnsOf(statement->second);
  const size_t formats = message->result_formats.size();
  if (formats > 1 && formats != columns.size()) {
    return Fail(ConversationError("08P01", "bind message has " + std::to_string(formats) +
                                               " result formats but query has " + std::to_string(columns.size()) +
                                               " columns"));
  }
  portals_.insert_or_assign(std::string(message->portal),
                            Portal{.command = statement->second, .formats = std::move(message->result_formats)});
  return EmptyMessage('2');
}

std::string ConsoleSession::OnDescribe(std::string_view body) {
  const auto message = ReadNamed(body);
  if (!message) return Fail(MalformedMessage("Describe"));
  std::string out;
  if (message->kind == 'P') {
    const Portal* portal = FindPortal(message->name);
    if (portal == nullptr) return Fail(NoSuchPortal(message->name));
    WriteDescription(out, ColumnsOf(portal->command), portal->formats);
    return out;
  }
  const auto statement = statements_.find(message->name);
  if (statement == statements_.end()) {
    return Fail(ConversationError("26000", "prepared statement " + Quote(message->name) + " does not exist"));
  }
  MessageWriter(out).Begin('t').Int16(0).End();
  WriteDescription(out, ColumnsOf(statement->second), {});
  return out;
}

std::string ConsoleSession::OnClose(std::string_view body) {
  const auto message = ReadNamed(body);
  if (!message) return Fail(MalformedMessage("Close"));
  // Not an error when there is none, as in PostgreSQL.
  if (message->kind == 'P') {
    if (const auto found = portals_.find(message->name); found != portals_.end()) portals_.erase(found);
  } else if (const auto found = statements_.find(message->name); found != statements_.end()) {
    statements_.erase(found);
  }
  return EmptyMessage('3');
}

std::string ConsoleSession::WriteRows(Portal& portal, uint32_t rows_max) {
  const Outcome& outcome = portal.outcome;
  if (outcome.error) return Fail(*outcome.error);
  if (outcome.is_empty_statement) {
    portal.state = Portal::State::kDone;
    return EmptyMessage('I');
  }
  std::string out = portal.next_row == 0 ? outcome.notices : std::string();
  const auto& rows = outcome.table.rows;
  const size_t end = rows_max == 0 ? rows.size() : std::min(rows.size(), portal.next_row + rows_max);
  const size_t written = end - portal.next_row;
  for (; portal.next_row < end; ++portal.next_row) {
    if (!WriteDataRow(out, outcome.table.columns, rows[portal.next_row], portal.formats)) {
      return out + Fail(ConversationError("22003", "a value does not fit the binary form of its column"));
    }
  }
  // As PostgreSQL: when the limit was reached exactly at the end, the end is told by the next Execute.
  if (rows_max != 0 && written == rows_max) {
    portal.state = Portal::State::kSuspended;
    return out + EmptyMessage('s');
  }
  portal.state = Portal::State::kDone;
  protocol::WriteCommandComplete(out, outcome.tag);
  return out;
}

}  // namespace admin
