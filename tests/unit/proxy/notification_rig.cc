#include "tests/unit/proxy/notification_rig.h"

#include <algorithm>
#include <future>

#include "tests/support/deadline.h"
#include "tests/support/wire_messages.h"
#include "tests/unit/proxy/config_fixture.h"

namespace proxy {

namespace {

constexpr test_support::Milliseconds kPatience{30'000};

std::shared_ptr<BackendPool> PoolFor(int port, NotificationRig::Caps caps) {
  const auto config = ConfigOf(
      "[pgweir]\nauth_type = \"trust\"\n[databases.shop]\nhost = \"127.0.0.1\"\ndbname = \"postgres\"\nport = " +
      std::to_string(port) + "\n");
  return std::make_shared<BackendPool>(PoolKey{"shop", "postgres"}, *config, *config->FindDatabase("shop"),
                                       NotificationRig::kWorkers,
                                       pool::Budgets{std::make_shared<pool::Budget>(caps.database, "max_db_connections of database \"shop\""),
                                                     std::make_shared<pool::Budget>(caps.user, "max_user_connections of user \"postgres\"")},
                                       1);
}

// A whole NotificationResponse as "channel=payload", read by the tests' own rules.
std::string TextOf(const std::string& message) {
  constexpr size_t kHead = 1 + 4 + 4;
  if (message.size() < kHead || message[0] != 'A' || test_support::Int32At(message, 1) != message.size() - 1) return "broken";
  const size_t end = message.find('\0', kHead);
  return message.substr(kHead, end - kHead) + "=" + message.substr(end + 1, message.size() - end - 2);
}

}  // namespace

void LoopThread::Await() {
  std::promise<void> turned;
  loop_.Post([&] { turned.set_value(); });
  turned.get_future().wait();
}

NotificationRig::NotificationRig(int port, Caps caps) : pool_(PoolFor(port, caps)) {
  for (auto& worker : workers_) worker = std::make_unique<LoopThread>();
  const DialRoom room{workers_[0]->loop(), resolver_, helpers_, hosts_};
  hub_ = std::make_unique<NotificationHub>(room, Seams(), 7);
}

NotificationRig::~NotificationRig() {
  helpers_.Stop();
  EndHub();
  for (auto& worker : workers_) worker->Join();
}

void NotificationRig::EndHub() {
  workers_[0]->loop().Post([this] { hub_.reset(); });
  workers_[0]->Await();
}

NotificationSeams NotificationRig::Seams() {
  NotificationSeams seams;
  seams.post = [this](pool::WorkerId worker, std::function<void()> task) {
    if (worker == 0) return workers_[0]->loop().Post(std::move(task));
    most_on_the_way_ = std::max(most_on_the_way_.load(), ++on_the_way_);
    workers_[worker]->loop().Post([this, task = std::move(task)] {
      task();
      --on_the_way_;
    });
  };
  seams.deliver = [this](Subscriber who, const MessageRef& message) {
    Record(who, {Heard::Kind::kNotification, TextOf(*message)});
  };
  seams.gap = [this](Subscriber who, const std::vector<std::string>& channels) {
    std::string text;
    for (const auto& channel : channels) text += (text.empty() ? "" : ",") + channel;
    Record(who, {Heard::Kind::kGap, text});
  };
  seams.dial_options = [](const BackendPool& pool) { return DialOptions{pool.Target(), nullptr, {}}; };
  seams.poke = [this](const std::shared_ptr<pool::Pool>&) { ++pokes_; };
  return seams;
}

void NotificationRig::Record(Subscriber who, Heard heard) {
  if (std::this_thread::get_id() != workers_[who.worker]->id()) heard.text += " on a wrong thread";
  const std::lock_guard lock(mutex_);
  ++counts_[{who, heard.kind}];
  if (heard.kind == Heard::Kind::kDone || heard.kind == Heard::Kind::kError) answers_[who].push_back(heard);
  heard_[who].push_back(std::move(heard));
}

NotificationHub::Done NotificationRig::Recorder(Subscriber who, const std::string& call) {
  return [this, who, call](const std::optional<protocol::ErrorReport>& error) {
    if (error) Record(who, {Heard::Kind::kError, error->detail.empty() ? error->message : error->detail});
    else Record(who, {Heard::Kind::kDone, call});
  };
}

void NotificationRig::Subscribe(Subscriber who, std::vector<std::string> channels, const std::string& call) {
  hub_->Subscribe(pool_, who, std::move(channels), Recorder(who, call));
}

void NotificationRig::Unsubscribe(Subscriber who, std::vector<std::string> channels, const std::string& call) {
  hub_->Unsubscribe(pool_, who, std::move(channels), Recorder(who, call));
}

std::string NotificationRig::Listen(Subscriber who, std::vector<std::string> channels) {
  const size_t answers = Answers(who).size();
  Subscribe(who, std::move(channels));
  return AwaitAnswer(who, answers);
}

std::string NotificationRig::Unlisten(Subscriber who, std::vector<std::string> channels) {
  const size_t answers = Answers(who).size();
  Unsubscribe(who, std::move(channels));
  return AwaitAnswer(who, answers);
}

std::string NotificationRig::AwaitAnswer(Subscriber who, size_t before) const {
  if (!test_support::Eventually([&] { return Answers(who).size() > before; }, kPatience)) return "no answer";
  const Heard answer = Answers(who)[before];
  return answer.kind == Heard::Kind::kError ? answer.text : "";
}

std::vector<Heard> NotificationRig::Answers(Subscriber who) const {
  const std::lock_guard lock(mutex_);
  const auto found = answers_.find(who);
  return found == answers_.end() ? std::vector<Heard>() : found->second;
}

std::vector<Heard> NotificationRig::HeardBy(Subscriber who) const {
  const std::lock_guard lock(mutex_);
  const auto found = heard_.find(who);
  return found == heard_.end() ? std::vector<Heard>() : found->second;
}

std::vector<std::string> NotificationRig::Notified(Subscriber who) const {
  std::vector<std::string> texts;
  for (const Heard& heard : HeardBy(who)) {
    if (heard.kind == Heard::Kind::kNotification) texts.push_back(heard.text);
  }
  return texts;
}

size_t NotificationRig::Count(Subscriber who, Heard::Kind kind) const {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find({who, kind});
  return found == counts_.end() ? 0 : found->second;
}

bool NotificationRig::AwaitNotified(Subscriber who, size_t count) const {
  return AwaitCount(who, Heard::Kind::kNotification, count);
}

bool NotificationRig::AwaitCount(Subscriber who, Heard::Kind kind, size_t count) const {
  return test_support::Eventually([&] { return Count(who, kind) >= count; }, kPatience);
}

bool NotificationRig::AwaitNoConnection() const {
  return test_support::Eventually([&] { return pool_->budgets().at(0)->used() == 0 && pool_->budgets().at(1)->used() == 0; });
}

}  // namespace proxy
