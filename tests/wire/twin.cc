#include "tests/wire/twin.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace wire {

using namespace test_support;

namespace {

std::string NextMark() {
  static std::atomic<int> scenes{10'000};  // of one length, so that cuts fall alike
  return " /*" + std::to_string(++scenes) + "*/";
}

// False when this run has failed: the rest would say the same.
bool PlayOnce(Rig& rig, const Play& play, size_t split_at) {
  Scene scene(rig, split_at);
  play(scene);
  if (!testing::Test::HasFailure()) return true;
  ADD_FAILURE() << "in the scene above, with the clients split at " << static_cast<int64_t>(split_at);
  return false;
}

}  // namespace

Scene::Scene(Rig& rig, size_t split_at) : rig_(rig), split_at_(split_at), mark_(NextMark()) {}

Twin::Twin(Scene& scene)
    : scene_(scene),
      client_(scene.rig().Client()),
      session_(std::make_unique<SimulatedSession>([this](const std::string& bytes) { answers_ += bytes; },
                                                  std::make_shared<SimulatedStatements>(scene.postgres().schema()))) {}

testing::AssertionResult Twin::Sends(const std::string& bytes) {
  const bool is_split = scene_.split_at_ > scene_.sent_ && scene_.split_at_ < scene_.sent_ + bytes.size();
  const bool has_left = is_split ? client_.SendSplit(bytes, scene_.split_at_ - scene_.sent_) : client_.Send(bytes);
  scene_.sent_ += bytes.size();
  if (!has_left) return testing::AssertionFailure() << "could not be sent";
  for (const Message& message : Messages(bytes)) session_->On(message);
  return testing::AssertionSuccess();
}

testing::AssertionResult Twin::Says(const std::string& bytes, std::string_view types) {
  if (const auto sent = Sends(bytes); !sent) return sent;
  const std::string answers = std::exchange(answers_, {});
  if (Types(answers) != types)
    return testing::AssertionFailure() << "the twin answers " << Types(answers) << " and not " << types;
  scene_.answered_ += answers.size();
  std::string heard;
  try {
    while (heard.size() < answers.size()) {
      const auto message = client_.ReadMessage();
      if (!message)
        return testing::AssertionFailure() << "the connection ended after " << Types(heard) << " of " << types;
      heard += message->bytes();
      if (answers.compare(0, heard.size(), heard) != 0) {
        return testing::AssertionFailure()
               << "other bytes than PostgreSQL's in message " << Types(heard).size() << " of " << types << ": "
               << testing::PrintToString(message->bytes().substr(0, 300));
      }
    }
  } catch (const TimedOut&) {
    return testing::AssertionFailure() << "only " << Types(heard) << " of " << types << " came";
  }
  return testing::AssertionSuccess();
}

void PlayEverywhere(Rig& rig, const Play& play, Clients clients) {
  Scene whole(rig, std::string::npos);
  play(whole);
  if (testing::Test::HasFailure()) return;
  for (const size_t at : clients == Clients::kSplit ? Cuts(whole.sent()) : std::vector<size_t>()) {
    if (!PlayOnce(rig, play, at)) return;
  }
  for (const size_t at : Cuts(whole.answered())) {
    rig.postgres().SplitAt(at);
    if (!PlayOnce(rig, play, std::string::npos)) return;
  }
  rig.postgres().NoFault();
  EXPECT_TRUE(rig.ObserverIsServed());
}

size_t Told::Parses(std::string_view text_part) const {
  return static_cast<size_t>(std::count_if(messages.begin(), messages.end(), [text_part](const Message& message) {
    return message.type == 'P' && message.body.find(text_part) != std::string::npos;
  }));
}

size_t Told::StatementCloses() const {
  return static_cast<size_t>(std::count_if(messages.begin(), messages.end(), [](const Message& message) {
    return message.type == 'C' && message.body.starts_with('S') && message.body != Text("S");
  }));
}

testing::AssertionResult Told::PreparesOwnNamesOnly() const {
  for (const Message& message : messages) {
    const std::string name = message.type == 'P' ? message.body.substr(0, message.body.find('\0')) : "";
    if (!name.empty() && !name.starts_with("pgweir_"))
      return testing::AssertionFailure() << "the server was told to prepare " << name;
  }
  return testing::AssertionSuccess();
}

Told Tell(std::string_view received) { return {Messages(received)}; }

}  // namespace wire
