// Random SQL of the kinds that concern a session, most of which PostgreSQL's parser takes.
//
// What: SqlTexts makes one text after the other from a small grammar: one to three statements in odd spellings, with
// comments and literals full of what they hide, keywords as names, calls and queries within one another. The same seed
// makes the same texts. Left out are the few forms that are known to be false alarms (the lines with "?" of sql_corpus/).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/dice.h"

namespace protocol {

struct SqlText {
  std::string sql;
  // The same under standard_conforming_strings = off: each E'...' is a ' ...' there, byte by byte of the same length. Empty
  // when the text holds a '...' that says another thing there.
  std::string escaping;
};

class SqlTexts {
 public:
  explicit SqlTexts(uint64_t seed) : dice_(seed) {}
  SqlText Next();

 private:
  using Choices = std::initializer_list<std::string_view>;
  std::string_view OneOf(Choices choices) { return choices.begin()[dice_.Below(choices.size())]; }
  bool Perhaps(int chance = 50) { return dice_.Percent(chance); }

  // Each writes behind what has been written so far, and returns this.
  SqlTexts& Put(std::string_view token);
  SqlTexts& Put(Choices tokens);
  SqlTexts& PutOneOf(Choices choices) { return Put(OneOf(choices)); }
  SqlTexts& Words(std::string_view keywords);
  void Gap(bool may_be_none);
  SqlTexts& String();
  SqlTexts& Number() { return PutOneOf({"0", "1", "42", "1.5", ".5", "1e5", "1e-5"}); }
  SqlTexts& Name();
  SqlTexts& PlainName();
  SqlTexts& Label();
  SqlTexts& Relation(bool is_made = false);
  template <typename Part>
  SqlTexts& List(int most, Part part);

  SqlTexts& Expression(int depth);
  SqlTexts& Call(int depth);
  SqlTexts& SetConfig(int depth);
  SqlTexts& SetConfigName();
  SqlTexts& IsLocal(int depth);
  SqlTexts& Type();
  SqlTexts& Select(int depth, bool may_go_into);
  SqlTexts& With(int depth);
  SqlTexts& Into();
  SqlTexts& Tail(int depth);
  SqlTexts& Change(int depth);
  SqlTexts& Query(int depth);

  SqlTexts& Statement();
  SqlTexts& Transaction();
  SqlTexts& Set();
  SqlTexts& SetSpoken();
  SqlTexts& SetParameter();
  SqlTexts& ParameterName();
  SqlTexts& Value();
  SqlTexts& Prepared();
  SqlTexts& Explain();
  SqlTexts& Create();
  SqlTexts& CreateTableAs();
  SqlTexts& CreateRoutine();
  SqlTexts& CreateRule();
  SqlTexts& Cursor();
  SqlTexts& Other();

  sim::Dice dice_;
  std::string sql_;
  bool is_same_escaping_ = true;
  bool is_in_create_ = false;  // to name pg_temp for another reason than to make something there is a known alarm
};

}  // namespace protocol
