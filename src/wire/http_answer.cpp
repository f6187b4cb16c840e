// SPDX-License-Identifier: BSD-2-Clause
// http_answer.cpp: reads lines byte by byte, and the body in pieces.
#include "wire/http_answer.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace rawvs {
namespace {

constexpr size_t kLineKept = 256;  // nothing longer is needed; further bytes of the line are counted, not kept
constexpr std::string_view kVersion = "HTTP/1.";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same(std::string_view a, std::string_view b) {  // field names compare without case
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

std::optional<uint64_t> number(std::string_view s, int base) {  // of all characters of s
  uint64_t n = 0;
  const char* const end = s.data() + s.size();
  const auto [stop, bad] = std::from_chars(s.data(), end, n, base);
  if (bad != std::errc() || stop != end) return std::nullopt;
  return n;
}

}  // namespace

void HttpAnswer::take(Bytes piece) {
  while (!piece.empty() && stage_ != Stage::over && stage_ != Stage::bad) {
    if (stage_ == Stage::body && awaited_ == Awaited::data) {
      piece = piece.subspan(take_data(piece));
      continue;
    }
    take_line_byte(static_cast<char>(piece[0]));
    piece = piece.subspan(1);
  }
}

void HttpAnswer::ended() {
  if (stage_ == Stage::status)
    return refuse(line_bytes_ == 0 ? "closed without an answer" : "closed within the status line");
  if (stage_ == Stage::headers) return refuse("closed within the headers");
  if (stage_ == Stage::body) stage_ = Stage::over;  // perhaps too early, but the part that came can be judged
}

void HttpAnswer::refuse(std::string_view fault) {
  stage_ = Stage::bad;
  fault_ = fault;
}

void HttpAnswer::take_line_byte(char c) {
  if (++line_bytes_ > kMostLines) return refuse("headers of more than 16 KB");
  if (c == '\n') {  // RFC 9112 section 2.2: a lone LF ends a line
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    take_line();
    line_.clear();
    return;
  }
  if (line_.size() < kLineKept) line_ += c;
  // Refuse another protocol at its first wrong byte: it may never send a line's end.
  const size_t seen = std::min(line_.size(), kVersion.size());
  if (stage_ == Stage::status && line_.compare(0, seen, kVersion, 0, seen) != 0) refuse("not an HTTP/1 answer");
}

void HttpAnswer::take_line() {
  switch (stage_) {
    case Stage::status: return take_status();
    case Stage::headers: return line_.empty() ? headers_ended() : take_header();
    case Stage::body:
      if (awaited_ == Awaited::line) return take_chunk_size();
      if (!line_.empty()) return refuse("a chunk does not end where it should");
      awaited_ = Awaited::line;
      return;
    case Stage::over:
    case Stage::bad: return;
  }
}

void HttpAnswer::take_status() {  // HTTP/1.1 200 OK
  constexpr size_t kStatusAt = kVersion.size() + 2, kStatusSize = 3;
  const std::string_view line = line_;
  const bool shaped = line.size() >= kStatusAt + kStatusSize && line[kStatusAt - 1] == ' ' &&
                      (line.size() == kStatusAt + kStatusSize || line[kStatusAt + kStatusSize] == ' ');
  const uint64_t status = shaped ? number(line.substr(kStatusAt, kStatusSize), 10).value_or(0) : 0;
  if (status < 100) return refuse("not an HTTP/1 answer");
  interim_ = status < 200 && status != 101;
  if (!interim_) status_ = static_cast<uint16_t>(status);
  stage_ = Stage::headers;
}

void HttpAnswer::take_header() {
  const std::string_view line = line_;
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view key = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
  if (same(key, "transfer-encoding")) {
    constexpr std::string_view kChunked = "chunked";
    chunked_ = value.size() >= kChunked.size() && same(value.substr(value.size() - kChunked.size()), kChunked);
  } else if (same(key, "content-length")) {
    const auto size = number(value, 10);
    sized_ = size.has_value();
    left_ = size.value_or(0);
  }
}

void HttpAnswer::headers_ended() {
  if (interim_) {  // the final answer follows
    stage_ = Stage::status;
    chunked_ = sized_ = false;
    return;
  }
  sized_ = sized_ && !chunked_;  // RFC 9112 section 6.3
  const bool bodiless = status_ < 200 || status_ == 204 || status_ == 304 || (sized_ && left_ == 0);
  stage_ = bodiless ? Stage::over : Stage::body;
  awaited_ = chunked_ ? Awaited::line : Awaited::data;
}

void HttpAnswer::take_chunk_size() {  // 1a;extension
  const auto size = number(trimmed(std::string_view(line_).substr(0, line_.find(';'))), 16);
  if (!size) return refuse("a chunk without a size");
  left_ = *size;
  if (left_ == 0) {
    stage_ = Stage::over;  // trailers are ignored
  } else {
    awaited_ = Awaited::data;
  }
}

size_t HttpAnswer::take_data(Bytes piece) {
  const bool bounded = sized_ || chunked_;
  const size_t here = bounded ? static_cast<size_t>(std::min<uint64_t>(piece.size(), left_)) : piece.size();
  const size_t kept = std::min(here, kMostBody - body_.size());
  for (const uint8_t byte : piece.first(kept)) body_ += static_cast<char>(byte);
  if (bounded) left_ -= here;
  if (body_.size() == kMostBody || (sized_ && left_ == 0)) {
    stage_ = Stage::over;
  } else if (chunked_ && left_ == 0) {
    awaited_ = Awaited::data_end;
  }
  return here;
}

std::string http_request(std::string_view path, std::string_view host, Endpoint server) {
  constexpr Port kUsual{80};
  const std::string whole = text(server);  // 192.0.2.1:80, [2001:db8::1]:80
  const std::string address = server.port == kUsual ? whole.substr(0, whole.rfind(':')) : whole;
  std::string request = "GET ";
  request += path.empty() ? std::string_view("/") : path;
  request += " HTTP/1.1\r\nHost: ";
  request += host.empty() ? std::string_view(address) : host;
  request += "\r\nUser-Agent: rawvs\r\nAccept: */*\r\nConnection: close\r\n\r\n";
  return request;
}

}  // namespace rawvs
