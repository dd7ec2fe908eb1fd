// The scripted conversations of one client that prepares statements by protocol; they join Conversations().
//
// Each leaves its session as it found it (no names, no transaction, no unnamed statement that it would miss), because a
// client says it many times. pgweir must answer with PostgreSQL's bytes; what the server gets is its own affair.
// Threads: constant data. Source: PostgreSQL documentation, "Extended Query"; every answer was tried on PostgreSQL 15.
#pragma once

#include <vector>

#include "tests/wire/conversations.h"

namespace wire {

std::vector<Conversation> PreparedConversations();

}  // namespace wire
