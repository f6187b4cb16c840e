// SPDX-License-Identifier: BSD-2-Clause
// http_answer.h: reads an HTTP/1 answer that comes in pieces of any size, and builds the request.
// In:  the answer's bytes in their order, and the end of the connection.
// Out: the status and the first 4 KB of the body.
// Not: sockets and the clock (sys/probe), the verdict on the server (CheckSpec).
// RFC: 9112 sections 2, 4 (status line), 6.3 (where a body ends), 7.1 (chunks); 9110 section 15.2 (1xx).
//
// The memory is bounded whatever the server sends: kMostLines for all lines, kMostBody for the body.
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
  static constexpr size_t kMostBody = 4096;    // bytes of the body that are kept; later ones are ignored

  enum class Stage : uint8_t { status, headers, body, over, bad };

  void take(Bytes piece);  // the next bytes; no effect in the stages over and bad
  void ended();            // the server closed the connection

  bool begun() const { return line_bytes_ != 0; }
  Stage stage() const { return stage_; }
  uint16_t status() const { return status_; }        // 100-999; 0: not known yet. Interim answers (1xx) do not count
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
  bool interim_ = false;   // the headers being read belong to a 1xx answer
  size_t line_bytes_ = 0;  // of all lines
  std::string line_;       // the beginning of the current line
  std::string body_;
  std::string_view fault_;
  bool chunked_ = false, sized_ = false;
  uint64_t left_ = 0;  // bytes left of a sized body, or of the current chunk
  Awaited awaited_ = Awaited::data;
};

// A GET request that asks the server to close afterwards. An empty host becomes the server's address, with its port
// unless that is 80. REQUIRES: neither path nor host holds a blank or a control character.
std::string http_request(std::string_view path, std::string_view host, Endpoint server);

}  // namespace rawvs
