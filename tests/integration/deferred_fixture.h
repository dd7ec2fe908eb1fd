// For tests of a BEGIN that takes no server: the same script direct and through pgweir, and a pool whose server is
// taken.
//
// Not here: what is deferred and how (proxy/client_deferred.cc). Threads: the main thread of the test. Nothing waits
// but Eventually: with the only server of the pool held, an answer that needed one never comes.
#pragma once

#include <string>
#include <vector>

#include "tests/integration/state_fixture.h"

namespace integration {

using test_support::Message;

// What goes out in one write, and the messages to be read up to, one after another.
struct Exchange {
  std::string bytes;
  std::string until = "Z";
};
using Exchanges = std::vector<Exchange>;

class DeferredTest : public StateTest {
 protected:
  void SetUp() override;
  // One server; the fixture's `deferred_begin = false` is not added.
  void StartDeferring(const std::string& global = "");

  // All answers of a script by a new session on this port.
  static std::vector<Message> Run(int port, const Exchanges& script);
  static std::vector<Message> Play(WireClient& client, const Exchanges& script);
  // Answers the same, byte for byte, direct and through pgweir, as one message a write and all in one.
  void Compare(const Exchanges& script);

  // Someone else's open transaction on the only server, until let go.
  void HoldServer();
  void LetGo();
  // The pool has no other server, nobody waits for one, and that one is still the holder's.
  void ExpectOnlyTheHolderHasAServer();
  // Nobody has one.
  void ExpectFree();

  // A client with an open BEGIN that has no server.
  WireClient ConnectDeferred();

 private:
  Connection holder_;
};

// The batch of a driver: unnamed Parse, Bind, Describe, Execute, Sync.
std::string Batch(std::string_view sql, const test_support::Values& values = {});
// Type and, of errors, severity, SQLSTATE and text: what stays when pgweir says it itself.
std::string Said(const std::vector<Message>& messages);

}  // namespace integration
