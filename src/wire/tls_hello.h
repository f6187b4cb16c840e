// SPDX-License-Identifier: BSD-2-Clause
// tls_hello.h: the first messages of a TLS handshake: builds the ClientHello, reads the server's answer.
// In:  random bytes, a server's name; the server's bytes in pieces of any size.
// Out: a ClientHello; the version that the server chose, or its alert.
// Not: cryptography: nothing is verified.
// RFC: 8446 sections 4.1, 5.1, 6; 5246 section 7.4.1; 6066 section 3 (server name).
//
// A server that answers with a ServerHello speaks TLS and has chosen a version and a cipher.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rawvs/bytes.h"

namespace rawvs {

inline constexpr size_t kTlsRandom = 96;  // bytes: the hello's, the session's, and a key share that is never used

// Offers TLS 1.3 and 1.2; an older server answers with its own version. An empty host, or one longer than 255 bytes, is
// left out.
std::vector<uint8_t> tls_client_hello(std::span<const uint8_t, kTlsRandom> random, std::string_view host);

class TlsAnswer {
 public:
  enum class Stage : uint8_t { awaited, hello, refused, bad };
  static constexpr size_t kMost = 4096;  // bytes within which the ServerHello must be complete

  void take(Bytes piece);  // the next bytes; no effect once the stage is not awaited
  Stage stage() const { return stage_; }
  bool begun() const { return !bytes_.empty(); }
  uint16_t version() const { return version_; }  // in stage hello; 0x0303 is TLS 1.2
  uint8_t alert() const { return alert_; }       // in stage refused

 private:
  Stage read();
  Stage read_hello(Bytes hello);
  Stage stage_ = Stage::awaited;
  uint16_t version_ = 0;
  uint8_t alert_ = 0;
  std::vector<uint8_t> bytes_;
};

std::string tls_version_text(uint16_t version);  // TLSv1.3
std::string tls_alert_text(uint8_t alert);       // 112 (unrecognized_name)

}  // namespace rawvs
