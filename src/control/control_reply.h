// SPDX-License-Identifier: BSD-2-Clause
// control_reply.h: a reply of the control protocol on its way: rows in, messages out.
// In:  sources, each asked for one row at a time.   Out: Pieces of whole lines.
// Not: what the rows say (admin/control_rows), sockets (control_socket.h).
//
// The socket takes nothing but Pieces, and only a Conversation makes one: a reply cannot be sent in any other way than
// a piece at a time, however long it is.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rawvs/director.h"

namespace rawvs {

inline constexpr size_t kPieceMost = 32768;

class Piece {  // one message: whole lines, at most kPieceMost bytes
 public:
  Piece() = default;
  std::string_view text() const { return text_; }
  bool empty() const { return text_.empty(); }

 private:
  friend class Conversation;
  explicit Piece(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// Where rows come from. Tables may change between two calls, so a source remembers slots, ids, names and addresses.
class RowSource {
 public:
  // row: one was written. pause: none now; this piece has had its share of work, or there is nothing to tell yet.
  enum class Next : uint8_t { row, pause, end };
  // A piece is written between two turns of packets: its share of work is some tens of microseconds.
  static constexpr size_t kRows = 24;

  virtual ~RowSource() = default;
  // Writes a row, without the end of its line, into `row`, which is empty.
  virtual Next next(std::string& row, Director& director, Instant now) = 0;
  virtual size_t rows_per_piece() const { return kRows; }
  virtual bool waiting() const { return false; }  // there is nothing to tell until packets come
};
using RowSources = std::vector<std::unique_ptr<RowSource>>;

// A source made of a function, which is called as next() is.
template <class Function>
std::unique_ptr<RowSource> rows_from(Function function, size_t rows_per_piece = RowSource::kRows) {
  class Source final : public RowSource {
   public:
    Source(Function function, size_t most) : function_(std::move(function)), most_(most) {}
    Next next(std::string& row, Director& director, Instant now) override { return function_(row, director, now); }
    size_t rows_per_piece() const override { return most_; }

   private:
    Function function_;
    size_t most_;
  };
  return std::make_unique<Source>(std::move(function), rows_per_piece);
}

// Rows WORD text=TEXT, one for each text.
std::unique_ptr<RowSource> text_rows(std::string word, std::vector<std::string> texts);
// Rows line text=LINE, one for each line of the text; before a very long one's, rows part text=.
std::unique_ptr<RowSource> line_rows(std::string text);

struct Fault {  // why a request is not carried out
  std::string code, text;
};

class Conversation {  // one request's reply on its way
 public:
  struct Later {  // a reply to what takes some time
    std::function<bool()> ready{};
    std::function<Conversation()> take{};  // once, when it is ready
  };
  Conversation() = default;                   // there is nothing to say
  explicit Conversation(RowSources sources);  // "ok", their rows one after the other, "end"
  explicit Conversation(const Fault& fault);  // "error", and further lines of its text as rows, "end"
  explicit Conversation(Later later) : later_(std::move(later)), over_(false) {}

  bool refused() const { return refused_; }
  bool over() const { return over_; }
  bool waiting() const;
  // The next message of the reply. Empty: it is over, or (over() tells) this share of work found no row, because a
  // table that was once full is searched in small steps; then ask again.
  Piece next(Director& director, Instant now);
  static Piece refusal(const Fault& fault);  // all of an "error" reply that has one short line of text

 private:
  bool next_row(Director& director, Instant now, size_t& rows);
  Later later_{};
  std::string row_{};  // with its end of line: it did not fit into the last piece, or is the first one
  RowSources sources_{};
  size_t source_ = 0;
  bool refused_ = false, over_ = true, ended_ = false;
};

}  // namespace rawvs
