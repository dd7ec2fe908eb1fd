#include "proxy/worker.h"

#include <pthread.h>

#include "proxy/log.h"
#include "proxy/send_batch.h"

namespace proxy {

Worker::Worker(Shared& shared, pool::WorkerId number, RuntimeRef runtime)
    : shared_(shared), number_(number), runtime_(std::move(runtime)), buffer_(new char[kHeadroomBytes + kReadBytes]) {}

Worker::~Worker() {
  Join();
  dead_clients_.clear();
  dead_servers_.clear();
  clients_.clear();
  servers_.clear();
}

void Worker::Start() {
  thread_ = std::thread([this] { RunThread(); });
}

void Worker::Join() {
  if (!thread_.joinable()) return;
  loop_.Stop();
  thread_.join();
}

void Worker::RunThread() {
  const std::string name = "worker-" + std::to_string(number_);
  pthread_setname_np(pthread_self(), name.c_str());
  if (shared_.batches_sends) {
    auto batch = SendBatch::Make();
    if (batch) loop_.UseBatch(*std::move(batch));
    else Log(Level::kWarning, "io_uring_failed", {{"worker", number_}, {"cause", batch.error()}});
  }
  WatchHolders();
  loop_.Run();
}

KeepAlive Worker::keep_alive() const { return KeepAliveOf(config().global); }

pool::Duration Worker::CpuTime() {
  clockid_t clock{};
  timespec used{};
  if (!thread_.joinable() || pthread_getcpuclockid(thread_.native_handle(), &clock) != 0 || clock_gettime(clock, &used) != 0) return {};
  return pool::Duration(int64_t{used.tv_sec} * 1'000'000 + used.tv_nsec / 1000);
}

void Worker::Adopt(const Accepted& accepted, uint64_t id) {
  auto client = std::make_unique<Client>(*this, accepted, id);
  Client& adopted = *client;
  clients_.emplace(id, std::move(client));
  if (accepted.has_spoken) adopted.OnReadable();  // no other wait for what is there
}

void Worker::OpenServer(std::shared_ptr<BackendPool> pool, std::shared_ptr<pool::Slot> slot) {
  auto server = std::make_unique<Server>(*this, std::move(pool), std::move(slot));
  Server& opened = *server;
  servers_.emplace(opened.id(), std::move(server));
  opened.Connect();
}

void Worker::CloseSlot(pool::Slot& slot) {
  if (auto* server = static_cast<Server*>(slot.server)) server->Retire("");
}

void Worker::MoveOut(const std::shared_ptr<BackendPool>& pool, pool::Slot& slot, pool::WorkerId to) {
  if (pool->MayMove(slot, number_, to)) SendAway(*static_cast<Server*>(slot.server), to);
}

void Worker::SendAway(Server& server, pool::WorkerId to) {
  server.pool()->counters(number_).server_moves.Add(1);
  server.DetachFrom();
  // The server may be on the stack: it leaves when this turn ends.
  loop_.AtEndOfTurn([this, id = server.id(), to] {
    const auto found = servers_.find(id);
    if (found == servers_.end()) return;
    auto moving = std::make_shared<std::unique_ptr<Server>>(std::move(found->second));
    servers_.erase(found);
    Worker* target = shared_.workers[to].get();
    target->Post([target, moving] {
      Server& arrived = **moving;
      target->servers_.emplace(arrived.id(), std::move(*moving));
      arrived.AttachTo(*target);
      const pool::TimePoint now = Now();
      pool::Orders orders;
      const auto next = arrived.pool()->Arrived(arrived.slot(), now, orders);
      arrived.TakeNext(next, now);
      target->CarryOut(*arrived.pool(), orders);
    });
  });
}

void Worker::SendHome(Client& client) {
  // What it is told goes out first, and it may be on the stack.
  loop_.AtEndOfTurn([this, id = client.id()] {
    const auto found = clients_.find(id);
    if (found == clients_.end() || !found->second->MayMove()) return;
    Worker* home = shared_.workers[found->second->Home()].get();
    if (home == this) return;
    auto moving = std::make_shared<std::unique_ptr<Client>>(std::move(found->second));
    clients_.erase(found);
    (*moving)->MoveOut(*home);
    home->Post([home, moving, id] {
      Client& arrived = **moving;
      home->clients_.emplace(id, std::move(*moving));
      arrived.MoveIn();
    });
  });
}

void Worker::WakePool(const std::shared_ptr<BackendPool>& pool, pool::TimePoint at) {
  Wake& wake = wakes_[pool.get()];
  // The earliest is enough: Tick says when the next one is due.
  if (wake.timer && wake.at <= at) return;
  wake.at = at;
  wake.timer = std::make_unique<Timer>(loop_, [this, pool] {
    const Wake finished = std::move(wakes_[pool.get()]);
    wakes_.erase(pool.get());
    pool::Orders orders;
    pool->Tick(Now(), orders);
    CarryOut(*pool, orders);
  });
  wake.timer->Start(at - Now());
}

std::unique_ptr<Parts> Worker::BorrowParts() {
  if (spare_parts_.empty()) return std::make_unique<Parts>();
  auto parts = std::move(spare_parts_.back());
  spare_parts_.pop_back();
  return parts;
}

void Worker::GiveBack(std::unique_ptr<Parts> parts) {
  parts->Clear();
  spare_parts_.push_back(std::move(parts));
}

void Worker::Bury(Client& client) {
  const auto found = clients_.find(client.id());
  if (found == clients_.end()) return;
  dead_clients_.push_back(std::move(found->second));
  clients_.erase(found);
  if (dead_clients_.size() == 1) loop_.AtEndOfTurn([this] { dead_clients_.clear(); });
}

void Worker::Bury(Server& server) {
  const auto found = servers_.find(server.id());
  if (found == servers_.end()) return;
  dead_servers_.push_back(std::move(found->second));
  servers_.erase(found);
  if (dead_servers_.size() > 1) return;
  loop_.AtEndOfTurn([this] {
    // The sockets close here; only then is the place free.
    std::vector<std::pair<std::shared_ptr<BackendPool>, std::shared_ptr<pool::Slot>>> places;
    for (const auto& dead : dead_servers_) places.emplace_back(dead->pool(), dead->slot().shared_from_this());
    dead_servers_.clear();
    for (const auto& [pool, slot] : places) {
      pool::Orders orders;
      pool->Closed(*slot, Now(), orders);
      CarryOut(*pool, orders);
    }
  });
}

Client* Worker::FindClient(uint64_t id) {
  const auto found = clients_.find(id);
  return found == clients_.end() ? nullptr : found->second.get();
}

Server* Worker::FindServer(uint64_t id) {
  const auto found = servers_.find(id);
  return found == servers_.end() ? nullptr : found->second.get();
}

void Worker::SetRuntime(RuntimeRef runtime) {
  runtime_ = std::move(runtime);
  WatchHolders();
}

// Looking at all of them now and then costs the path of a query nothing.
void Worker::WatchHolders() {
  if (!config().WatchesLeaks()) return;
  const pool::TimePoint now = Now();
  for (const auto& [id, server] : servers_) {
    if (Client* client = server->client()) client->CheckHold(now);
  }
  holders_timer_.Start(kHoldersLookedAtEvery);
}

void Worker::DrainSome(int batch) {
  ForEachClient([&batch](Client& client) {
    if (batch <= 0 || client.is_draining()) return;
    --batch;
    client.Drain();
  });
}

void Worker::RetireServers() {
  std::vector<uint64_t> ids;
  for (const auto& [id, server] : servers_) {
    if (server->state() == ServerState::kIdle) ids.push_back(id);
  }
  for (const uint64_t id : ids) {
    if (Server* server = FindServer(id)) server->Retire("shutdown");
  }
}

// Orders come back as messages, so nothing leaves the map meanwhile.
void Worker::RetireMoved(const NameNews& news) {
  for (const auto& [id, server] : servers_) server->LeaveAddress(news);
}

void Worker::ForEachClient(const std::function<void(Client&)>& each) {
  // Ending a client takes it out of the map: walk over a copy of the names.
  std::vector<uint64_t> ids;
  ids.reserve(clients_.size());
  for (const auto& [id, client] : clients_) ids.push_back(id);
  for (const uint64_t id : ids) {
    if (Client* client = FindClient(id)) each(*client);
  }
}

void Worker::CollectRows(Collecting what, std::function<void(Snapshot)> done) {
  GoOnCollecting(std::make_shared<RowWalk>(what, clients_, servers_), done);
}

void Worker::GoOnCollecting(const std::shared_ptr<RowWalk>& walk, const std::function<void(Snapshot)>& done) {
  if (walk->Next() == RowWalk::Step::kMore) return Post([this, walk, done] { GoOnCollecting(walk, done); });
  walk->rows().workers.push_back(Row());
  done(std::move(walk->rows()));
}

WorkerRow Worker::Row() const {
  WorkerRow row;
  row.number = static_cast<int>(number_);
  row.clients = clients_.size();
  row.logins = static_cast<uint64_t>(logins_);
  row.servers = servers_.size();
  row.turns = loop_.turns();
  row.in_use = number_ < shared_.workers_in_use.load(std::memory_order_relaxed) ? 1 : 0;
  for (size_t i = 0; i < errors_.size(); ++i) row.errors[i] = errors_[i].Get();
  row.last_errors = last_errors_;
  return row;
}

}  // namespace proxy
