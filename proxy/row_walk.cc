#include "proxy/row_walk.h"

#include <algorithm>

#include "proxy/client.h"
#include "proxy/server.h"

namespace proxy {

RowWalk::RowWalk(Collecting what, const ClientTable& clients, const ServerTable& servers) : what_(what), clients_(clients), servers_(servers) { Begin(); }

void RowWalk::Begin() {
  rows_ = {};
  with_client_.clear();
  if (what_ == Collecting::kServers || what_ == Collecting::kTotals) return EnterServers();
  phase_ = Phase::kClients;
  bucket_ = 0;
  buckets_ = clients_.bucket_count();
  rows_.clients.reserve(clients_.size());  // a vector that grows moves all its rows in one turn
}

void RowWalk::EnterServers() {
  phase_ = Phase::kServers;
  bucket_ = 0;
  buckets_ = servers_.bucket_count();
  if (what_ == Collecting::kServers || what_ == Collecting::kEverything) rows_.servers.reserve(servers_.size());
}

RowWalk::Step RowWalk::Next() {
  if (phase_ == Phase::kClients) {
    if (clients_.bucket_count() != buckets_) Begin();
    if (!Slice(clients_)) EnterServers();
    return Step::kMore;
  }
  if (phase_ == Phase::kServers) {
    if (servers_.bucket_count() != buckets_) Begin();
    else if (!Slice(servers_)) phase_ = Phase::kDone;
  }
  return phase_ == Phase::kDone ? Step::kDone : Step::kMore;
}

template <typename Table>
bool RowWalk::Slice(const Table& table) {
  const size_t end = std::min(bucket_ + kBucketsPerTurn, buckets_);
  for (size_t rows = 0; bucket_ < end && rows < kRowsPerTurn; ++bucket_) {
    for (auto at = table.cbegin(bucket_); at != table.cend(bucket_); ++at, ++rows) Copy(*at->second);
  }
  return bucket_ < buckets_;
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
