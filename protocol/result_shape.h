// What a client has been told about a statement by a Describe, as one number each for its parameters and its columns.
//
// Why: a client that was told the columns once relies on them. A server that parses the statement anew after a change of the
// table would give it others, and where PostgreSQL itself says 0A000 the client would read rows that do not fit. So what each
// server says is compared with what was said before (Statement::OnDescribed).
// What: eats the bodies of ParameterDescription and RowDescription as they stream by, in pieces of any size. Names, types,
// lengths and modifiers count, as in PostgreSQL's own comparison; the table, the column's number in it and the format do not.
// Threads: a value. Limits: keeps no bytes; nothing that the server says about lengths is believed.
// Source: PostgreSQL documentation, "Message Formats": ParameterDescription, RowDescription, NoData.
#pragma once

#include <cstdint>
#include <string_view>

namespace protocol {

class ResultShape {
 public:
  void Begin(char type);  // 't', 'T' or 'n'
  void Eat(std::string_view body_part);
  // Of what has been eaten since the Begin of each; 0: there was none.
  uint64_t parameters() const { return parameters_; }
  uint64_t columns() const { return columns_; }
  void Reset() { *this = {}; }

 private:
  void EatColumns(std::string_view part);
  char type_ = '\0';
  uint64_t parameters_ = 0, columns_ = 0;
  int at_ = 0;           // how much of the count, or of what follows a name, has been eaten
  bool in_name_ = false;
};

}  // namespace protocol
