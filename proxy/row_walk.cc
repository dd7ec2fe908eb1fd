#include "proxy/row_walk.h"

#include "proxy/client.h"
#include "proxy/server.h"

namespace proxy {

RowWalk::RowWalk(Collecting what, const ClientTable& clients, const ServerTable& servers) : what_(what), clients_(clients), servers_(servers) { Begin(); }

void RowWalk::Begin() {
  rows_ = {};
  with_client_.clear();
  at_server_.reset();
  if (what_ == Collecting::kServers || what_ == Collecting::kTotals) return EnterServers();
  at_client_.emplace(clients_);
  rows_.clients.reserve(clients_.size());  // a vector that grows moves all its rows in one turn
}

void RowWalk::EnterServers() {
  at_client_.reset();
  at_server_.emplace(servers_);
  if (what_ == Collecting::kServers || what_ == Collecting::kEverything) rows_.servers.reserve(servers_.size());
}

RowWalk::Step RowWalk::Next() {
  const auto copy = [this](const auto& entry) { Copy(*entry.second); };
  if (at_client_) {
    const CursorStep step = at_client_->Next(kRowsPerTurn, kBucketsPerTurn, copy);
    if (step == CursorStep::kEnd) EnterServers();
    if (step == CursorStep::kLost) Begin();
    return Step::kMore;
  }
  const CursorStep step = at_server_->Next(kRowsPerTurn, kBucketsPerTurn, copy);
  if (step == CursorStep::kLost) Begin();
  return step == CursorStep::kEnd ? Step::kDone : Step::kMore;
}

void RowWalk::Copy(const Client& client) {
  rows_.clients.push_back(client.Row());
  if (what_ != Collecting::kEverything || client.server() == nullptr) return;
  rows_.servers.push_back(client.server()->Row());
  with_client_.insert(client.server()->id());
}

void RowWalk::Copy(const Server& server) {
  if (what_ == Collecting::kServers || what_ == Collecting::kEverything) {
    if (!with_client_.contains(server.id())) rows_.servers.push_back(server.Row());
    return;
  }
  // For the sums: a pool knows that a server is out; what for, only the worker.
  const std::string_view state = Name(server.state());
  if (state != "tested" && state != "being_canceled") return;
  ServerRow brief;
  brief.user = server.pool()->key().user;
  brief.database = server.pool()->key().database;
  brief.state = state;
  rows_.servers.push_back(std::move(brief));
}

}  // namespace proxy
