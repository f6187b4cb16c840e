// SPDX-License-Identifier: BSD-2-Clause
// http_answer.h: what a web server said, from bytes that come in pieces of any size; and the question before it.
// In:  an answer's bytes in their order, and that the server closed.   Out: the status, the first 4 KB of the body.
// Not: sockets, the clock (probes.h), what is well (CheckSpec). Everything a server sends is bounded: the lines before
// and between the body's parts to kMostLines, the body to kMostBody.
// RFC 9112: sections 2, 4 (status line), 6.3 (where a body ends), 7.1 (chunks). RFC 9110 section 15.2 (1xx).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "rawvs/addr.h"
#include "rawvs/bytes.h"

namespace rawvs {

class HttpAnswer {
 public:
  static constexpr size_t kMostLines = 16384;  // bytes of status line, headers and chunk sizes together
  static constexpr size_t kMostBody = 4096;    // bytes that are kept; what follows is not looked at

  enum class Stage : uint8_t { status, headers, body, over, bad };

  void take(Bytes piece);  // the next bytes; without effect once it is over or bad
  void ended();            // the server closed

  bool begun() const { return line_bytes_ != 0; }
  Stage stage() const { return stage_; }
  uint16_t status() const { return status_; }        // 100-999; 0: not known yet. Interim ones (1xx) do not count
  std::string_view body() const { return body_; }    // without chunk sizes; borrowed until the next take()
  std::string_view fault() const { return fault_; }  // what is wrong when the stage is bad

 private:
  enum class Awaited : uint8_t { line, data, data_end };  // in a body of chunks

  void take_line_byte(char c);
  void take_line();
  void take_status();
  void take_header();
  void headers_ended();
  void take_chunk_size();
  size_t take_data(Bytes piece);
  void refuse(std::string_view fault);

  Stage stage_ = Stage::status;
  uint16_t status_ = 0;
  bool interim_ = false;   // it is not the answer yet
  size_t line_bytes_ = 0;  // of all lines
  std::string line_;       // the current one's begin
  std::string body_;
  std::string_view fault_;
  bool chunked_ = false, sized_ = false;
  uint64_t left_ = 0;  // of the body when it is sized, else of the chunk
  Awaited awaited_ = Awaited::data;
};

// GET, so that the server sends a body, and closes afterwards. host: empty = the address, with its port unless that is
// 80. REQUIRES: neither path nor host holds a blank or a control character.
std::string http_request(std::string_view path, std::string_view host, Endpoint server);

}  // namespace rawvs
