// A client of pgweir whose twin is a PostgreSQL of its own: what the client hears must be, byte for byte, what the twin
// answers to the same messages. And scenes of several such clients, repeated with their bytes split everywhere.
//
// A Scene is one run. The client bytes of all its twins count as one stream, which is split before byte `split_at`. Its
// texts end with a number of its own, so that a scene can tell what the server was told on its behalf. All twins share
// a schema with the simulated server: `ddl` of one makes statements of all stale, as on one PostgreSQL.
// Threads: one at a time.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tests/wire/rig.h"
#include "tests/wire/simulated_session.h"

namespace wire {

class Scene {
 public:
  Scene(Rig& rig, size_t split_at);

  Rig& rig() { return rig_; }
  SimulatedPostgres& postgres() { return rig_.postgres(); }
  // The statement, told apart from those of other scenes by a comment.
  std::string Sql(std::string_view sql) const { return std::string(sql) + mark_; }
  const std::string& mark() const { return mark_; }

  size_t sent() const { return sent_; }
  size_t answered() const { return answered_; }

 private:
  friend class Twin;
  Rig& rig_;
  const size_t split_at_;
  const std::string mark_;
  size_t sent_ = 0, answered_ = 0;
};

class Twin {
 public:
  explicit Twin(Scene& scene);
  Twin(const Twin&) = delete;
  Twin& operator=(const Twin&) = delete;

  // Sends, and reads exactly what the twin answers: messages of these types, written down by hand to keep it honest.
  testing::AssertionResult Says(const std::string& bytes, std::string_view types);
  // The same without reading: what the twin answers is heard by the next Says.
  testing::AssertionResult Sends(const std::string& bytes);
  // As if the client had prepared everything anew: pgweir has healed its statements.
  void Renew() { session_->statements().Renew(); }
  test_support::WireClient& client() { return client_; }

 private:
  Scene& scene_;
  test_support::WireClient client_;
  std::string answers_;
  std::unique_ptr<SimulatedSession> session_;  // writes to answers_
};

using Play = std::function<void(Scene&)>;

// Whole, with the clients' bytes split at every byte (or not), and with the servers' answers split at every byte.
enum class Clients : uint8_t { kSplit, kWhole };
void PlayEverywhere(Rig& rig, const Play& play, Clients clients = Clients::kSplit);

// What a server was told, message by message; statement names as they are on the server.
struct Told {
  std::vector<test_support::Message> messages;
  size_t Parses(std::string_view text_part) const;
  size_t StatementCloses() const;  // of named ones
  // True when nothing was prepared under a client's name. (It may be asked for one that is not there, to hear the
  // error.)
  testing::AssertionResult PreparesOwnNamesOnly() const;
};
Told Tell(std::string_view received);

}  // namespace wire
