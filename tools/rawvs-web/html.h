// SPDX-License-Identifier: BSD-2-Clause
// html.h: escaped text, tables and plots of the page.
// In:  any text.
// Out: HTML; only Cell::markup passes as it is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rawvs::web {

std::string escaped(std::string_view text);   // for text and for attributes in double quotes
std::string url_part(std::string_view text);  // percent-encoded

struct Cell {
  std::string text{};
  const char* kind = "";  // its class: "n" a number, "bad", "warn", "good"
  std::string markup{};   // instead of the text
};

class Table {  // rows that do not match the search are left out
 public:
  Table(std::string caption, std::vector<const char*> heads, std::string_view search = {})
      : caption_(std::move(caption)), heads_(std::move(heads)), search_(search) {}
  void add(const std::vector<Cell>& cells);  // the first one is the row's heading
  size_t rows() const { return rows_; }
  std::string html() const;  // of no row: nothing

 private:
  std::string caption_;
  std::vector<const char*> heads_;
  std::vector<const char*> kinds_{};  // of the columns: those of numbers are aligned to the right
  std::string search_;
  std::string body_{};
  size_t rows_ = 0;
};

bool contains(std::string_view text, std::string_view search);  // whatever the case; an empty search: true

struct Line {
  const char* name;
  std::vector<float> values;  // NaN: unknown
};
// An SVG of 600 x 120 with a title for who cannot see it. ago: what its left end is, "an hour ago".
std::string plot(const std::string& title, const std::vector<Line>& lines, const char* ago, const char* unit);

}  // namespace rawvs::web
