// The login, split at every byte and cut at every byte, on both sides of pgweir.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>

#include "tests/support/wire_barrier.h"
#include "tests/wire/rig.h"
#include "tests/wire/simulated_session.h"

namespace wire {
namespace {

using namespace test_support;

const Names kWithSettings = {{"user", "app"}, {"database", "app"}, {"TimeZone", "UTC"}, {"application_name", "wire"}};

TEST(LoginTest, StartupSplitAtEveryByte) {
  Rig rig;
  const std::string before = SslRequestBytes() + GssRequestBytes();
  for (const std::string& first : {std::string(), before}) {
    const std::string bytes = first + StartupBytes(kWithSettings);
    for (size_t at = 0; at <= bytes.size(); ++at) {
      WireClient client(rig.pgweir().port());
      ASSERT_TRUE(client.SendSplit(bytes, at)) << at;
      ASSERT_TRUE(first.empty() || client.ReadBytes(2) == "NN") << at;
      ASSERT_TRUE(client.FinishLogin("app", "")) << at << ": " << ErrorField(client.error(), 'M');
      ASSERT_EQ(client.parameters().at("application_name"), "wire") << at;
      ASSERT_TRUE(GetsItsAnswer(client, "id-" + std::to_string(at)));
    }
  }
}

TEST(LoginTest, StartupCutAtEveryByte) {
  Rig rig;
  const std::string bytes = SslRequestBytes() + StartupBytes(kWithSettings);
  for (size_t at = 0; at <= bytes.size(); ++at) {
    for (const End end : {End::kFin, End::kReset}) {
      WireClient client(rig.pgweir().port());
      ASSERT_TRUE(client.Send(bytes.substr(0, at)));
      ASSERT_TRUE(at % 2 == 0 || WaitUntilRead(client.fd()));
      if (end == End::kFin)
        client.Close();
      else
        client.Reset();
    }
    ASSERT_TRUE(rig.ObserverIsServed()) << "after a startup that was cut at " << at;
  }
}

// Database "N" gets its login answer split or cut at byte N on its first server connection; the later ones are whole.
class LoginFaults {
 public:
  enum class Fault : uint8_t { kSplit, kCut };
  explicit LoginFaults(Fault fault) {
    FakeServerOptions options;
    options.record = FakeServerOptions::Record::kNothing;
    options.login = [this, fault](FakeConnection& connection, const std::string& answer) {
      const std::string database = connection.startup().Find("database");
      const size_t at = std::stoul(database);
      const int before = ++connections_[std::min(at, connections_.size() - 1)];
      if (before > 1 || at > answer.size()) return connection.Send(answer);
      if (fault == Fault::kSplit) return connection.SendSplit(answer, at);
      connection.Send(answer.substr(0, at));
      if (at % 2 == 0)
        connection.Close();
      else
        connection.Reset();
      return false;
    };
    server_ = std::make_unique<FakeServer>(
        [](FakeConnection& connection) {
          SimulatedSession session([&connection](const std::string& bytes) { connection.Send(bytes); });
          while (const auto message = connection.Receive()) {
            if (!session.On(*message)) return;
          }
        },
        options);
    for (const auto& [name, value] : FakeServerOptions().parameters)
      answer_bytes_ += ParameterStatus(name, value).size();
    answer_bytes_ += AuthenticationOk().size() + BackendKeyData(0, "1234").size() + ReadyForQuery('I').size();
  }
  int port() const { return server_->port(); }
  size_t answer_bytes() const { return answer_bytes_; }
  int Connections(size_t database) const { return connections_[database]; }

 private:
  std::array<std::atomic<int>, 2000> connections_{};
  size_t answer_bytes_ = 0;
  std::unique_ptr<FakeServer> server_;  // the last one: its threads use the others
};

Names ToDatabase(size_t number) { return {{"user", "app"}, {"database", std::to_string(number)}}; }

// In crowds: each client waits for the first server connection of its own pool. One host stands behind all of them, and one that cuts
// login after login is met slowly: the crowds are small, so that their pools have tried before it is known for that.
void LogInAtEveryByte(LoginFaults::Fault fault) {
  constexpr size_t kCrowd = 16;
  LoginFaults faults(fault);
  PgweirProcess pgweir(ConfigFor(faults.port(), "query_wait_timeout = \"10s\"\n"));
  const size_t end = faults.answer_bytes() + 1;
  for (size_t begin = 0; begin < end; begin += kCrowd) {
    std::vector<WireClient> clients;
    for (size_t at = begin; at < std::min(begin + kCrowd, end); ++at) {
      clients.emplace_back(pgweir.port());
      ASSERT_TRUE(clients.back().Send(StartupBytes(ToDatabase(at))));
    }
    for (size_t i = 0; i < clients.size(); ++i) {
      const size_t at = begin + i;
      SCOPED_TRACE(at);
      ASSERT_TRUE(clients[i].FinishLogin("app", "")) << ErrorField(clients[i].error(), 'M');
      EXPECT_EQ(clients[i].parameters().at("server_version"), "15.0");
      // A whole answer and then the end may meet the query: from the next one on it is a new connection.
      const bool is_last = fault == LoginFaults::Fault::kCut && at == faults.answer_bytes();
      EXPECT_TRUE(GetsItsAnswer(clients[i], "id") || (is_last && GetsItsAnswer(clients[i], "again")));
      EXPECT_EQ(faults.Connections(at), fault == LoginFaults::Fault::kCut ? 2 : 1);
    }
  }
}

TEST(LoginTest, ServerAnswerSplitAtEveryByte) { LogInAtEveryByte(LoginFaults::Fault::kSplit); }
TEST(LoginTest, ServerAnswerCutAtEveryByte) { LogInAtEveryByte(LoginFaults::Fault::kCut); }

}  // namespace
}  // namespace wire
