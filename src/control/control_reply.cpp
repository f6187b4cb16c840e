// SPDX-License-Identifier: BSD-2-Clause
// control_reply.cpp: the only place where rows become messages.
#include "control/control_reply.h"

#include <algorithm>
#include <utility>

#include "control/control_words.h"

namespace rawvs {
namespace {

constexpr size_t kTexts = 512;           // rows per piece of texts that exist already
constexpr size_t kPartMost = 16 * 1024;  // bytes of a line's text in one row

// A row is one line that fits into a piece, whatever it contains.
void finish_row(std::string& row) {
  row.resize(std::min(row.size(), kPieceMost - 1));
  std::ranges::replace(row, '\n', ' ');
  row += '\n';
}

std::string error_row(const Fault& fault) {
  std::string row = "error " + fault.code + ' ' + fault.text.substr(0, fault.text.find('\n'));
  finish_row(row);
  return row;
}

}  // namespace

std::unique_ptr<RowSource> text_rows(std::string word, std::vector<std::string> texts) {
  auto next = [word = std::move(word), texts = std::move(texts), at = size_t{0}](std::string& row, Director&,
                                                                                 Instant) mutable {
    if (at == texts.size()) return RowSource::Next::end;
    row = word;
    put(row, "text", std::exchange(texts[at++], {}));
    return RowSource::Next::row;
  };
  return rows_from(std::move(next), kTexts);
}

std::unique_ptr<RowSource> line_rows(std::string text) {
  auto next = [text = std::move(text), at = size_t{0}](std::string& row, Director&, Instant) mutable {
    if (at >= text.size()) return RowSource::Next::end;
    const size_t end = std::min(text.find('\n', at), text.size());
    const bool whole = end - at <= kPartMost;
    const size_t size = whole ? end - at : kPartMost;
    row = whole ? "line" : "part";
    put(row, "text", std::string_view(text).substr(at, size));
    at += size + (whole ? 1 : 0);
    return RowSource::Next::row;
  };
  return rows_from(std::move(next), kTexts);
}

Conversation::Conversation(RowSources sources) : row_("ok\n"), sources_(std::move(sources)), over_(false) {}

Conversation::Conversation(const Fault& fault) : row_(error_row(fault)), refused_(true), over_(false) {
  std::vector<std::string> more;
  for (size_t at = fault.text.find('\n'); at != std::string::npos;) {
    const size_t end = fault.text.find('\n', at + 1);
    std::string line = fault.text.substr(at + 1, end == std::string::npos ? end : end - at - 1);
    if (!line.empty()) more.push_back(std::move(line));
    at = end;
  }
  sources_.push_back(text_rows("fault", std::move(more)));
}

Piece Conversation::refusal(const Fault& fault) { return Piece(error_row(fault).substr(0, kPieceMost - 5) + "end\n"); }

bool Conversation::waiting() const {
  if (later_.ready) return !later_.ready();
  return row_.empty() && source_ < sources_.size() && sources_[source_]->waiting();
}

// The next row of the reply, if there is one now. rows: the number of this source's rows in the present piece.
bool Conversation::next_row(Director& director, Instant now, size_t& rows) {
  for (; source_ < sources_.size(); ++source_, rows = 0) {
    RowSource& source = *sources_[source_];
    if (rows == source.rows_per_piece()) return false;
    const RowSource::Next found = source.next(row_, director, now);
    if (found == RowSource::Next::pause) return row_.clear(), false;
    if (found == RowSource::Next::end) {
      row_.clear();
      sources_[source_].reset();
      continue;
    }
    ++rows;
    finish_row(row_);
    return true;
  }
  if (ended_) return false;
  ended_ = true;
  row_ = "end\n";
  return true;
}

Piece Conversation::next(Director& director, Instant now) {
  if (over_) return {};
  if (later_.ready) {
    if (!later_.ready()) return {};
    Conversation reply = later_.take();
    *this = std::move(reply);
    return {};  // what was done may not be in effect everywhere yet
  }
  director.estimate(now);
  std::string text;
  size_t rows = 0;
  while (!row_.empty() || next_row(director, now, rows)) {
    if (text.size() + row_.size() > kPieceMost) return Piece(std::move(text));
    text += row_;
    row_.clear();
  }
  over_ = ended_;
  return Piece(std::move(text));
}

}  // namespace rawvs
