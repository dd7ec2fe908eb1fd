// The scripted conversations: what a client says, turn by turn, and which messages PostgreSQL answers.
//
// The exact answer bytes come from SimulatedSession, fed directly; `answers` (message types, written by hand from the
// documentation) keeps that simulation honest. Threads: constant data.
#pragma once

#include <string>
#include <vector>

#include "tests/support/wire_messages.h"

namespace wire {

struct Turn {
  std::string client;   // bytes sent before the answers are read
  std::string answers;  // types of the messages that come back
};

// kWhatItMust: pgweir answers some of it itself (a Sync outside of everything, a Parse of what the server has), says it
// under names of its own, asks what a text left behind that was too long to be read, or drops it as PostgreSQL would
// (what is left of a COPY that has failed), depending on when it comes.
enum class ServerSees : uint8_t { kEverything, kWhatItMust };

struct Conversation {
  std::string name;
  std::vector<Turn> turns;
  ServerSees server_sees = ServerSees::kEverything;
};

const std::vector<Conversation>& Conversations();

// Parse, Bind, Describe and Execute of the unnamed statement.
std::string Batch(std::string_view sql, const test_support::Values& values = {});
std::string FunctionCall(int oid);

std::string ClientBytes(const Conversation& conversation);
// The whole messages in these bytes.
std::vector<test_support::Message> Messages(std::string_view bytes);
std::string Types(std::string_view bytes);  // theirs
// What PostgreSQL answers to each turn, as bytes.
std::vector<std::string> Answers(const Conversation& conversation);

// Where to cut so many bytes: everywhere, or, in a long stream, at its ends, near buffer sizes and at a spread of
// places.
std::vector<size_t> Cuts(size_t bytes);

}  // namespace wire
