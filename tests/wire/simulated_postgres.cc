#include "tests/wire/simulated_postgres.h"

#include "tests/wire/simulated_session.h"

namespace wire {

using test_support::FakeConnection;

SimulatedPostgres::SimulatedPostgres() {
  test_support::FakeServerOptions options;
  options.record = test_support::FakeServerOptions::Record::kNothing;
  server_ =
      std::make_unique<test_support::FakeServer>([this](FakeConnection& connection) { Serve(connection); }, options);
}

void SimulatedPostgres::SplitAt(size_t position) {
  const std::lock_guard lock(mutex_);
  fault_ = Fault::kSplit;
  left_ = position;
}

void SimulatedPostgres::CutAt(size_t position, End end) {
  const std::lock_guard lock(mutex_);
  fault_ = Fault::kCut;
  left_ = position;
  end_ = end;
}

void SimulatedPostgres::NoFault() {
  const std::lock_guard lock(mutex_);
  fault_ = Fault::kNone;
}

std::string SimulatedPostgres::TakeReceived() {
  const std::lock_guard lock(mutex_);
  std::string received;
  for (auto& [number, session] : sessions_) received += std::exchange(session.received, {});
  return received;
}

std::string SimulatedPostgres::TakeReceived(int connection) {
  const std::lock_guard lock(mutex_);
  return std::exchange(sessions_[connection].received, {});
}

std::shared_ptr<const SimulatedStatements> SimulatedPostgres::Statements(int connection) const {
  const std::lock_guard lock(mutex_);
  return sessions_.at(connection).statements;
}

void SimulatedPostgres::Serve(FakeConnection& connection) {
  bool open = true;
  const auto statements = std::make_shared<SimulatedStatements>(schema_);
  SimulatedSession session([&](const std::string& bytes) { open = open && Write(connection, bytes); }, statements);
  {
    const std::lock_guard lock(mutex_);
    sessions_[connection.number()].statements = statements;
  }
  while (open) {
    const auto message = connection.Receive();
    if (!message) return;
    {
      const std::lock_guard lock(mutex_);
      sessions_[connection.number()].received += message->bytes();
    }
    if (!session.On(*message)) return;
  }
}

bool SimulatedPostgres::Write(FakeConnection& connection, const std::string& bytes) {
  Fault fault = Fault::kNone;
  size_t at = 0;
  End end = End::kFin;
  {
    const std::lock_guard lock(mutex_);
    if (fault_ != Fault::kNone && left_ <= bytes.size()) {
      fault = std::exchange(fault_, Fault::kNone);
      at = left_;
      end = end_;
    } else {
      left_ -= std::min(left_, bytes.size());
    }
  }
  if (fault == Fault::kNone) return connection.Send(bytes);
  if (fault == Fault::kSplit) return connection.SendSplit(bytes, at);
  connection.Send(std::string_view(bytes).substr(0, at));
  if (end == End::kReset)
    connection.Reset();
  else
    connection.Close();
  return false;
}

}  // namespace wire
