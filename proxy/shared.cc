#include "proxy/shared.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>
#include <cstring>

#include "pool/check.h"
#include "proxy/auth_query.h"
#include "proxy/log.h"
#include "proxy/notification_hub.h"
#include "proxy/worker.h"

namespace proxy {

// OpenSSL's generator takes 7,000 instructions for any small number of bytes, so it is asked for many at a time. What has been given
// out is wiped here.
std::string RandomBytes(size_t count) {
  thread_local std::array<unsigned char, 1024> drawn;
  thread_local size_t left = 0;
  std::string bytes(count, '\0');
  const auto draw = [](void* to, size_t size) { PGWEIR_CHECK(RAND_bytes(static_cast<unsigned char*>(to), static_cast<int>(size)) == 1); };
  if (count > drawn.size() / 4) {
    draw(bytes.data(), count);
    return bytes;
  }
  if (left < count) {
    draw(drawn.data(), drawn.size());
    left = drawn.size();
  }
  left -= count;
  std::memcpy(bytes.data(), drawn.data() + left, count);
  OPENSSL_cleanse(drawn.data() + left, count);
  return bytes;
}

std::optional<protocol::ScramVerifier> VerifierCache::Find(const std::string& user, const std::string& secret,
                                                           int iterations) const {
  pool::MutexLock lock(mutex_);
  const auto found = entries_.find(user);
  if (found == entries_.end() || found->second.verifier.iterations != iterations) return std::nullopt;
  if (!protocol::ConstantTimeEquals(found->second.secret.Reveal(), secret)) return std::nullopt;
  return found->second.verifier;
}

void VerifierCache::Put(const std::string& user, const std::string& secret, const protocol::ScramVerifier& verifier) {
  pool::MutexLock lock(mutex_);
  entries_[user] = {conf::Secret(secret), verifier};
}

Shared::Shared(uint32_t worker_count, uint64_t seed, ControlLoop& control)
    : control_loop(control.loop()), resolver(control), hosts(seed), pools(worker_count, seed), addresses(seed), process_secret(RandomBytes(32)) {
  resolver.Watch([this](const NameNews& news) { OnNameNews(news); });
}

Shared::~Shared() {
  helpers.Stop();  // their tasks post to the workers
  logins.Stop();   // so do its answers
  resolver.Stop();
  auth_query.reset();
  notifications.reset();
  workers.clear();
}

// Always by message, also to the calling worker: an order must never run inside the call that gave it.
void Shared::CarryOut(BackendPool& pool, pool::Orders& orders, Worker* here) {
  if (orders.empty()) return;
  const auto shared = std::static_pointer_cast<BackendPool>(pool.shared_from_this());
  for (auto& slot : orders.open) {
    Worker* worker = workers[slot->worker].get();
    worker->Post([worker, shared, slot] { worker->OpenServer(shared, slot); });
  }
  for (auto& slot : orders.close) {
    Worker* worker = workers[slot->worker].get();
    worker->Post([worker, slot] { worker->CloseSlot(*slot); });
  }
  for (auto& move : orders.move) {
    Worker* worker = workers[move.from].get();
    worker->Post([worker, shared, slot = move.slot, to = move.to] { worker->MoveOut(shared, *slot, to); });
  }
  for (const auto& failed : orders.failed) {
    Worker* worker = workers[failed.worker].get();
    worker->Post([worker, id = failed.owner_id, failure = orders.failure] {
      if (Client* client = worker->FindClient(id)) client->OnWaitFailed(failure.get());
    });
  }
  for (const auto& shed : orders.shed) {
    Worker* worker = workers[shed.worker].get();
    worker->Post([worker, id = shed.owner_id] {
      if (Client* client = worker->FindClient(id)) client->OnWaitFailed(nullptr);
    });
  }
  if (!orders.shed.empty()) pool.TellShed(orders.shed.size(), Now());
  if (orders.wake_at != pool::kNever) {
    Worker* worker = here != nullptr ? here : workers[0].get();
    worker->Post([worker, shared, at = orders.wake_at] { worker->WakePool(shared, at); });
  }
  for (auto& hungry : orders.poke) {
    auto& other = static_cast<BackendPool&>(*hungry);
    pool::Orders more;
    other.Tick(Now(), more);
    CarryOut(other, more, here);
  }
  if (orders.evict) {
    pool::Orders more;
    if (const auto victim = pools.EvictFor(*orders.evict, pool, Now(), more)) CarryOut(*victim, more, here);
  }
}

// Every answer is told to everybody, not only a change: a server that was on its way between two workers then is seen the next time.
void Shared::OnNameNews(const NameNews& news) {
  const bool is_told = news.is_changed && news.turns != NameNews::Turns::kGoOn;
  if (is_told) {
    Log(Level::kInfo, news.turns == NameNews::Turns::kNone ? "dns_changed" : "dns_takes_turns",
        {{"host", news.name}, {"before", IpTexts(news.before)}, {"now", IpTexts(news.now)}});
  }
  const auto told = std::make_shared<const NameNews>(news);
  for (auto& worker : workers) {
    Worker* each = worker.get();
    each->Post([each, told] { each->RetireMoved(*told); });
  }
  if (!news.LosesSome()) return;
  if (auth_query) auth_query->CloseAll();
  if (notifications) notifications->LeaveAddresses(told);
}

std::unique_ptr<AuthQuery> MakeAuthQuery(Shared& shared) {
  Worker& home = *shared.workers[0];
  return std::make_unique<AuthQuery>(DialRoom{home.loop(), shared.resolver, shared.helpers, shared.hosts}, home.runtime());
}

std::unique_ptr<NotificationHub> MakeNotificationHub(Shared& shared, uint64_t seed) {
  Worker& home = *shared.workers[0];
  NotificationSeams seams;
  seams.post = [&shared](pool::WorkerId worker, std::function<void()> task) { shared.workers[worker]->Post(std::move(task)); };
  seams.deliver = [&shared](Subscriber to, const MessageRef& message) {
    if (Client* client = shared.workers[to.worker]->FindClient(to.client_id)) client->OnNotification(message);
  };
  seams.gap = [&shared](Subscriber to, const std::vector<std::string>& channels) {
    if (Client* client = shared.workers[to.worker]->FindClient(to.client_id)) client->OnNotificationGap(channels);
  };
  seams.dial_options = [&home](const BackendPool& pool) {
    return DialOptions{pool.Target(), home.runtime()->server_tls, home.keep_alive()};
  };
  seams.poke = [&shared](std::shared_ptr<pool::Pool> pool) {
    pool::Orders orders;
    pool->Tick(Now(), orders);
    shared.CarryOut(static_cast<BackendPool&>(*pool), orders, nullptr);
  };
  return std::make_unique<NotificationHub>(DialRoom{home.loop(), shared.resolver, shared.helpers, shared.hosts}, std::move(seams), seed);
}

}  // namespace proxy
