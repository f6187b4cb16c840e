// SPDX-License-Identifier: BSD-2-Clause
// control_reply.h: a reply of the control protocol: rows in, messages out.
// In:  sources, each asked for one row at a time.
// Out: Pieces of whole lines.
// Not: the contents of rows (control_rows.h), sockets (control_socket.h).
//
// The socket takes only Pieces, and only a Conversation makes them: a reply can only be sent piece by piece.
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

// A source of rows. Tables may change between two calls, so a source remembers slots, ids, names and addresses.
class RowSource {
 public:
  // row: one was written. pause: none now; this piece's share of work is used up, or nothing has happened yet.
  enum class Next : uint8_t { row, pause, end };
  // A piece is written between two turns of packets: its share of work is some tens of microseconds.
  static constexpr size_t kRows = 24;

  virtual ~RowSource() = default;
  // Writes a row without its line end into `row`, which is empty.
  virtual Next next(std::string& row, Director& director, Instant now) = 0;
  virtual size_t rows_per_piece() const { return kRows; }
  virtual bool waiting() const { return false; }  // nothing to report until packets come
};
using RowSources = std::vector<std::unique_ptr<RowSource>>;

// A source that calls the function as next().
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
// Rows line text=LINE, one for each line of the text; before a very long line's last part, rows part text=.
std::unique_ptr<RowSource> line_rows(std::string text);

struct Fault {  // why a request is refused
  std::string code, text;
};

class Conversation {  // the reply to one request
 public:
  struct Later {  // a reply that takes some time
    std::function<bool()> ready{};
    std::function<Conversation()> take{};  // called once, when it is ready
  };
  Conversation() = default;                   // nothing to send
  explicit Conversation(RowSources sources);  // "ok", the sources' rows, "end"
  explicit Conversation(const Fault& fault);  // "error", further lines of its text as rows, "end"
  explicit Conversation(Later later) : later_(std::move(later)), over_(false) {}

  bool refused() const { return refused_; }
  bool over() const { return over_; }
  bool waiting() const;
  // The next message of the reply. Empty: it is over, or (if !over()) this share of work found no row, because a sparse
  // table is searched in small steps: call it again.
  Piece next(Director& director, Instant now);
  static Piece refusal(const Fault& fault);  // a whole "error" reply with one short line of text

 private:
  bool next_row(Director& director, Instant now, size_t& rows);
  Later later_{};
  std::string row_{};  // with its line end: did not fit into the last piece, or is the first one
  RowSources sources_{};
  size_t source_ = 0;
  bool refused_ = false, over_ = true, ended_ = false;
};

}  // namespace rawvs
