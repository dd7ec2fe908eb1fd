#include "admin/console.h"

#include "admin/console_messages.h"
#include "protocol/message_writer.h"

namespace admin {
namespace {

constexpr size_t kHeaderBytes = 5;

std::string SimpleAnswer(const Outcome& outcome) {
  std::string out;
  if (outcome.error) {
    protocol::WriteError(out, *outcome.error);
  } else if (outcome.is_empty_statement) {
    protocol::MessageWriter(out).Begin('I').End();
  } else {
    out = outcome.notices;
    if (outcome.table.columns.empty()) {
      protocol::WriteCommandComplete(out, outcome.tag);
    } else {
      WriteTable(out, outcome.table, outcome.tag);
    }
  }
  protocol::WriteReadyForQuery(out, 'I');
  return out;
}

}  // namespace

Console::Console(proxy::Control& control, StatsWindow::Time now)
    : own_pool_(control.config()->owner_is_admin ? "pgbouncer" : kOwnName), window_(now), loads_(now), executor_(control, window_, loads_, own_pool_) {}

void Console::OnMessage(proxy::ConsoleRequest request, Reply reply) {
  const auto [found, is_new] = sessions_.try_emplace(request.client_id);
  if (is_new) own_pool_.OnClientCame();
  ConsoleSession& session = found->second;
  Reply counted = Counted(request.body.size() + kHeaderBytes, std::move(reply));
  const bool is_ready = session.phase() == ConsoleSession::Phase::kReady;
  if (request.type == 'Q' && is_ready) {
    session.OnQuery();
    Query(request, std::move(counted));
  } else if (request.type == 'E' && is_ready) {
    Execute(request, session, std::move(counted));
  } else {
    counted(session.Answer(request.type, request.body));
  }
}

Console::Reply Console::Counted(size_t received, Reply reply) {
  return [this, received, tell = std::move(reply)](std::string bytes) {
    own_pool_.CountBytes(received, bytes.size());
    tell(std::move(bytes));
  };
}

void Console::Query(const proxy::ConsoleRequest& request, Reply reply) {
  const auto sql = ReadQuery(request.body);
  const ParseResult command = sql ? ParseCommand(*sql) : tl::unexpected(MalformedMessage("Query"));
  if (!command) {
    Outcome failed;
    failed.error = command.error();
    return reply(SimpleAnswer(failed));
  }
  own_pool_.CountCommand();
  executor_.Run(*command, request.access, [this, id = request.client_id, tell = std::move(reply)](Outcome outcome) {
    if (sessions_.contains(id)) tell(SimpleAnswer(outcome));
  });
}

void Console::Execute(const proxy::ConsoleRequest& request, ConsoleSession& session, Reply reply) {
  const auto message = ReadExecute(request.body);
  if (!message) return reply(session.Fail(MalformedMessage("Execute")));
  ConsoleSession::Portal* portal = session.FindPortal(message->portal);
  if (portal == nullptr) return reply(session.Fail(NoSuchPortal(message->portal)));
  using State = ConsoleSession::Portal::State;
  if (portal->state == State::kSuspended) return reply(session.WriteRows(*portal, message->rows_max));
  if (portal->state == State::kDone) {
    return reply(session.Fail(ConversationError("55000", "the portal has been executed already")));
  }
  own_pool_.CountCommand();
  // The next message of this client comes after the reply, so that the portal is still there unless the client has
  // gone.
  executor_.Run(portal->command, request.access,
                [this, id = request.client_id, name = std::string(message->portal), rows_max = message->rows_max,
                 tell = std::move(reply)](Outcome outcome) {
                  const auto found = sessions_.find(id);
                  if (found == sessions_.end()) return;
                  ConsoleSession::Portal* executed = found->second.FindPortal(name);
                  if (executed == nullptr) return tell(found->second.Fail(NoSuchPortal(name)));
                  executed->outcome = std::move(outcome);
                  tell(found->second.WriteRows(*executed, rows_max));
                });
}

void Console::OnClosed(uint64_t client_id) {
  if (sessions_.erase(client_id) > 0) own_pool_.OnClientLeft();
}

std::vector<std::pair<std::string, std::string>> Console::Welcome() const {
  return {{"server_version", std::string(*DriverSetting("server_version"))},
          {"client_encoding", "UTF8"},
          {"server_encoding", "UTF8"},
          {"DateStyle", "ISO"},
          {"TimeZone", "GMT"},
          {"standard_conforming_strings", "on"},
          {"is_superuser", "on"},
          {"integer_datetimes", "on"}};
}

void Console::OnStatsPeriod(proxy::Snapshot snapshot, StatsWindow::Time now) {
  own_pool_.AddTo(snapshot);
  window_.Feed(snapshot, now);
}

}  // namespace admin
