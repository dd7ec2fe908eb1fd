#include "protocol/result_shape.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>


namespace protocol {
namespace {

struct Column {
  std::string name;
  uint32_t table = 1;
  uint16_t number = 1;
  uint32_t type = 23;
  uint16_t length = 4;
  uint32_t modifier = 0xffffffff;
  uint16_t format = 0;
};

std::string Big(uint32_t value, int bytes) {
  std::string out;
  while (bytes-- > 0) out += static_cast<char>(value >> (8 * bytes));
  return out;
}

std::string Body(const std::vector<Column>& columns) {
  std::string body = Big(static_cast<uint32_t>(columns.size()), 2);
  for (const Column& column : columns) {
    body += column.name + '\0' + Big(column.table, 4) + Big(column.number, 2) + Big(column.type, 4) + Big(column.length, 2) +
            Big(column.modifier, 4) + Big(column.format, 2);
  }
  return body;
}

uint64_t ColumnsOf(std::string_view body, size_t piece = std::string::npos) {
  ResultShape shape;
  shape.Begin('T');
  for (; body.size() > piece; body.remove_prefix(piece)) shape.Eat(body.substr(0, piece));
  shape.Eat(body);
  return shape.columns();
}

const std::vector<Column> kTwo = {{"id"}, {"name", 1, 2, 25, 0xffff}};

std::vector<Column> With(void (*change)(Column&)) {
  std::vector<Column> columns = kTwo;
  change(columns[1]);
  return columns;
}

TEST(ResultShape, WhatAClientReadsRowsByCounts) {
  const uint64_t two = ColumnsOf(Body(kTwo));
  EXPECT_NE(two, ColumnsOf(Body(With([](Column& c) { c.name = "nam"; }))));
  EXPECT_NE(two, ColumnsOf(Body(With([](Column& c) { c.type = 1043; }))));
  EXPECT_NE(two, ColumnsOf(Body(With([](Column& c) { c.length = 8; }))));
  EXPECT_NE(two, ColumnsOf(Body(With([](Column& c) { c.modifier = 24; }))));
  EXPECT_NE(two, ColumnsOf(Body({kTwo[0]})));
  EXPECT_NE(two, ColumnsOf(Body({kTwo[1], kTwo[0]})));
}

TEST(ResultShape, WhereAColumnComesFromDoesNot) {
  const uint64_t two = ColumnsOf(Body(kTwo));
  EXPECT_EQ(two, ColumnsOf(Body(With([](Column& c) { c.table = 77; }))));
  EXPECT_EQ(two, ColumnsOf(Body(With([](Column& c) { c.number = 9; }))));
  EXPECT_EQ(two, ColumnsOf(Body(With([](Column& c) { c.format = 1; }))));
}

TEST(ResultShape, PiecesOfEverySizeAreTheSame) {
  const std::string body = Body(kTwo);
  for (size_t piece = 1; piece <= body.size(); ++piece) EXPECT_EQ(ColumnsOf(body), ColumnsOf(body, piece)) << piece;
}

TEST(ResultShape, NoDataIsAShapeAndNothingIsNone) {
  ResultShape shape;
  EXPECT_EQ(shape.columns(), 0u);
  shape.Begin('n');
  EXPECT_NE(shape.columns(), 0u);
  EXPECT_NE(shape.columns(), ColumnsOf(Body(kTwo)));
  EXPECT_EQ(shape.parameters(), 0u);
}

TEST(ResultShape, ParametersCountByThemselves) {
  ResultShape one, other;
  one.Begin('t'), one.Eat(Big(1, 2) + Big(23, 4));
  other.Begin('t'), other.Eat(Big(1, 2) + Big(20, 4));
  EXPECT_NE(one.parameters(), other.parameters());
  EXPECT_EQ(one.columns(), 0u);
}

TEST(ResultShape, BytesThatAreNoDescriptionHarmNothing) {
  for (size_t size = 0; size < 64; ++size) {
    ColumnsOf(std::string(size, '\0'));
    ColumnsOf(std::string(size, 'x'), 1);
  }
}

}  // namespace
}  // namespace protocol
