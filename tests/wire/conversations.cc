#include "tests/wire/conversations.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <stdexcept>

#include "tests/wire/prepared_conversations.h"
#include "tests/wire/simulated_session.h"

namespace wire {

using namespace test_support;

std::string FunctionCall(int oid) {
  return Message{'F', Int32Bytes(oid) + Int16Bytes(0) + Int16Bytes(1) + Int32Bytes(1) + "7" + Int16Bytes(0)}.bytes();
}

std::string Batch(std::string_view sql, const Values& values) {
  return Parse("", sql) + Bind("", "", values) + DescribePortal("") + Execute("");
}

std::string Types(std::string_view bytes) {
  std::string types;
  for (const Message& message : Messages(bytes)) types += message.type;
  return types;
}

namespace {

std::vector<Conversation> Make() {
  const std::string text(300, 't');
  return {
      {"simple query", {{Query("echo hello"), "TDCZ"}}},
      {"several statements", {{Query("echo a; echo b;notice n;echo c"), "TDCTDCNCTDCZ"}}},
      {"empty query", {{Query(""), "IZ"}, {Query(" ; "), "IZ"}}},
      {"error", {{Query("fail division by zero"), "EZ"}, {Query("echo on"), "TDCZ"}}},
      {"error in the middle of several", {{Query("echo a;fail b;echo c"), "TDCEZ"}}},
      {"queries without waiting", {{Query("echo a") + Query("fail b") + Query("echo c"), "TDCZEZTDCZ"}}},
      {"many rows", {{Query("rows 12"), "TDDDDDDDDDDDDCZ"}}},
      {"extended batch", {{Batch("echo $1", {text}) + Sync(), "12TDCZ"}}},
      {"parameters that are NULL and empty", {{Batch("echo $1", {std::nullopt, ""}) + Sync(), "12TDCZ"}}},
      {"a lone Sync", {{Sync(), "Z"}, {Sync() + Sync(), "ZZ"}}, ServerSees::kWhatItMust},
      {"pipeline",
       {{Batch("echo a") + Sync() + Batch("echo b") + Batch("echo c") + Sync() + Batch("begin") + Sync() +
             Batch("commit") + Sync(),
         "12TDCZ12TDC12TDCZ12nCZ12nCZ"}},
       ServerSees::kWhatItMust},  // a BEGIN that comes by itself is deferred
      {"error in a pipeline",
       {{Batch("echo a") + Batch("fail b") + Batch("echo c") + Sync() + Batch("echo d") + Sync(), "12TDC12nEZ12TDCZ"}}},
      {"Parse that fails", {{Batch("bad") + Sync() + Batch("echo a") + Sync(), "EZ12TDCZ"}}},
      {"Flush", {{Batch("echo a") + Flush(), "12TDC"}, {Batch("echo b") + Flush(), "12TDC"}, {Sync(), "Z"}}},
      {"error before a Flush", {{Batch("fail a") + Flush(), "12nE"}, {Batch("echo b") + Sync(), "Z"}}},
      {"named statement",
       {{CloseStatement("s") + Parse("s", "echo $1", {25}) + DescribeStatement("s") + Sync() + Bind("", "s", {"one"}) +
             Execute("") + Bind("", "s", {"two"}) + Execute("") + CloseStatement("s") + Sync(),
         "31tTZ2DC2DC3Z"}},
       ServerSees::kWhatItMust},
      {"portal with a row limit",
       {{Query("begin"), "CZ"},
        {Parse("", "rows 5") + Bind("p", "") + Execute("p", 2) + Flush(), "12DDs"},
        {Execute("p", 2) + Execute("p", 2) + ClosePortal("p") + Sync(), "DDsDC3Z"},
        {Query("commit"), "CZ"}}},
      {"function call",
       {{FunctionCall(5), "VZ"}, {FunctionCall(0), "EZ"}, {FunctionCall(6) + Query("echo a"), "VZTDCZ"}}},
      {"COPY in", {{Query("copyin"), "G"}, {CopyData("a\n") + CopyData("") + CopyData(text) + CopyDone(), "CZ"}}},
      {"COPY in between statements",
       {{Query("echo a;copyin;echo b"), "TDCG"}, {CopyData("x\n") + CopyDone(), "CTDCZ"}}},
      {"COPY in, all sent ahead", {{Query("copyin") + CopyData("a\n") + CopyData("b\n") + CopyDone(), "GCZ"}}},
      {"COPY in, extended",
       {{Parse("", "copyin") + Bind("", "") + Execute("") + Flush(), "12G"},
        {CopyData("a\n") + Flush() + CopyDone() + Sync(), "CZ"}}},
      {"COPY in, extended, with an early Sync",
       {{Parse("", "copyin") + Bind("", "") + Execute("") + Sync(), "12G"},
        {CopyData("a\n") + CopyDone() + Sync(), "CZ"}},
       ServerSees::kWhatItMust},  // a Sync that comes after CopyInResponse makes the server one to close
      {"COPY in, extended, all sent ahead",
       {{Parse("", "copyin") + Bind("", "") + Execute("") + CopyData("a\n") + CopyDone() + Sync() + Query("echo b"),
         "12GCZTDCZ"}}},
      {"COPY in that the server ends",
       {{Query("copyinfail"), "G"},
        {CopyData("bad\n"), "EZ"},
        {CopyData("more\n") + CopyDone() + Query("echo after"), "TDCZ"}},
       ServerSees::kWhatItMust},
      {"COPY in that the server ends, extended",
       {{Parse("", "copyinfail") + Bind("", "") + Execute("") + Flush(), "12G"},
        {CopyData("bad\n"), "E"},
        {CopyData("more\n") + CopyDone() + Sync() + Query("echo after"), "ZTDCZ"}}},
      {"COPY in of a table that is not there",
       {{Query("fail copyin") + CopyData("a\n") + CopyDone() + Query("echo b"), "EZTDCZ"}},
       ServerSees::kWhatItMust},
      {"CopyFail", {{Query("copyin"), "G"}, {CopyData("a\n") + CopyFail("no more"), "EZ"}, {Query("echo on"), "TDCZ"}}},
      {"CopyFail, extended",
       {{Parse("", "copyin") + Bind("", "") + Execute("") + Flush(), "12G"},
        {CopyData("a\n") + CopyFail("no more") + Sync(), "EZ"}}},
      {"COPY out", {{Query("copyout 3"), "HdddcCZ"}, {Batch("copyout 1") + Sync(), "12nHdcCZ"}}},
      {"notices and notifications", {{Query("notice careful;notify hello;echo a"), "NCACTDCZ"}}},
      {"a changed setting",
       {{Query("set TimeZone Europe/Paris;echo a"), "SCTDCZ"}, {Query("set TimeZone UTC"), "SCZ"}}},
      {"transaction",
       {{Query("begin"), "CZ"},
        {Batch("echo a") + Sync(), "12TDCZ"},
        {Query("echo b"), "TDCZ"},
        {Query("commit"), "CZ"}}},
      {"failed transaction", {{Query("begin;fail a"), "CEZ"}, {Query("echo b"), "EZ"}, {Query("rollback"), "CZ"}}},
      {"a row of 200 kB", {{Query("big 200000;echo a"), "TDCTDCZ"}}},
      {"a query of 150 kB",
       {{Query("echo " + std::string(150'000, 'q')) + Query("echo a"), "TDCZTDCZ"}},
       ServerSees::kWhatItMust},
      {"an error of 100 kB", {{Query("failbig 100000"), "EZ"}, {Query("echo a"), "TDCZ"}}},
      {"a parameter of 70 kB", {{Query("setbig app.long 70000;echo a"), "SCTDCZ"}}},
  };
}

constexpr size_t kEverywhere = 700;
constexpr size_t kAtTheEnds = 60;
constexpr size_t kSpread = 40;

}  // namespace

const std::vector<Conversation>& Conversations() {
  static const std::vector<Conversation> all = [] {
    std::vector<Conversation> conversations = Make();
    for (Conversation& prepared : PreparedConversations()) conversations.push_back(std::move(prepared));
    return conversations;
  }();
  return all;
}

std::string ClientBytes(const Conversation& conversation) {
  std::string bytes;
  for (const Turn& turn : conversation.turns) bytes += turn.client;
  return bytes;
}

std::vector<Message> Messages(std::string_view bytes) {
  std::vector<Message> messages;
  while (!bytes.empty()) {
    const size_t length = Int32At(bytes, 1);
    if (length < 4 || bytes.size() < length + 1) throw std::runtime_error("not whole messages");
    messages.push_back({bytes[0], std::string(bytes.substr(5, length - 4))});
    bytes.remove_prefix(length + 1);
  }
  return messages;
}

std::vector<std::string> Answers(const Conversation& conversation) {
  std::vector<std::string> answers;
  std::string flushed;
  SimulatedSession session([&flushed](const std::string& bytes) { flushed += bytes; });
  for (const Turn& turn : conversation.turns) {
    for (const Message& message : Messages(turn.client)) session.On(message);
    if (Types(flushed) != turn.answers) {
      throw std::runtime_error(conversation.name + ": the simulation answers " + Types(flushed) + " and not " +
                               turn.answers);
    }
    answers.push_back(std::exchange(flushed, {}));
  }
  return answers;
}

std::vector<size_t> Cuts(size_t bytes) {
  std::set<size_t> cuts;
  if (bytes <= kEverywhere) {
    for (size_t at = 0; at <= bytes; ++at) cuts.insert(at);
  } else {
    for (size_t i = 0; i <= kAtTheEnds; ++i) {
      cuts.insert(i);
      cuts.insert(bytes - i);
    }
    for (const size_t size : {8192u, 65536u, 131072u}) {
      for (size_t at = size - 8; at <= size + 8 && at <= bytes; ++at) cuts.insert(at);
    }
    for (size_t i = 1; i < kSpread; ++i) cuts.insert(bytes * i / kSpread);
  }
  // Under a sanitizer each place costs several times as much: WIRE_EVERY=N takes every N-th, others for each length.
  const char* every = std::getenv("WIRE_EVERY");
  const size_t step = every != nullptr ? std::max<size_t>(1, std::strtoul(every, nullptr, 10)) : 1;
  std::erase_if(cuts, [&](size_t at) { return at != 0 && at != bytes && (at + bytes) % step != 0; });
  return {cuts.begin(), cuts.end()};
}

}  // namespace wire
