// SPDX-License-Identifier: BSD-2-Clause
// tls_hello.cpp: writes a ClientHello, reads a ServerHello or an alert.
#include "wire/tls_hello.h"

#include <algorithm>
#include <utility>

namespace rawvs {
namespace {

constexpr uint8_t kAlertRecord = 21, kHandshakeRecord = 22, kClientHello = 1, kServerHello = 2, kWarning = 1;
constexpr size_t kRecordHeader = 5, kMessageHeader = 4, kRandom = 32, kMostHost = 255;
constexpr size_t kMostRecord = 16384 + 256;
constexpr uint16_t kServerName = 0, kSupportedGroups = 10, kSignatures = 13, kSupportedVersions = 43, kKeyShare = 51;

// All ciphers that a server of the last twenty years may offer; none is ever used. TLS 1.3; then by key exchange:
// ECDHE,
// DHE, RSA.
constexpr uint16_t kCiphers[] = {0x1301, 0x1302, 0x1303, 0x1304, 0x1305,                          // TLS 1.3
                                 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc0ac, 0xc0ad,  // ECDHE, AEAD
                                 0xc023, 0xc027, 0xc024, 0xc028, 0xc009, 0xc013, 0xc00a, 0xc014,  // ECDHE, CBC
                                 0x009e, 0x009f, 0xccaa, 0x0067, 0x006b, 0x0033, 0x0039,          // DHE
                                 0x009c, 0x009d, 0x003c, 0x003d, 0x002f, 0x0035, 0x000a};         // RSA
constexpr uint16_t kSignatureSchemes[] = {0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0603, 0x0806,
                                          0x0601, 0x0807, 0x0808, 0x0809, 0x080a, 0x080b, 0x0203, 0x0201};
// x25519, P-256, P-384, P-521, x448, ffdhe2048 to ffdhe8192. The hello holds a key share for x25519 only: a server that
// wants another group sends HelloRetryRequest, which is a ServerHello (RFC 8446 section 4.1.4), and that suffices.
constexpr uint16_t kGroups[] = {0x001d, 0x0017, 0x0018, 0x0019, 0x001e, 0x0100, 0x0101, 0x0102, 0x0103, 0x0104};
// Constant extensions: type, size, content.
constexpr uint8_t kFixed[] = {
    0,    11, 0, 2, 1, 0,           // points: uncompressed
    0,    43, 0, 5, 4, 3, 4, 3, 3,  // versions: TLS 1.3, 1.2
    0xff, 1,  0, 1, 0,              // renegotiation is secure (RFC 5746)
};

class Writer {
 public:
  void u8(uint8_t v) { out_.push_back(v); }
  void u16(uint16_t v) {
    u8(static_cast<uint8_t>(v >> 8));
    u8(static_cast<uint8_t>(v));
  }
  void words(std::span<const uint16_t> words) {
    for (const uint16_t word : words) u16(word);
  }
  void bytes(Bytes b) { out_.insert(out_.end(), b.begin(), b.end()); }
  // Reserves a length of two bytes; close() writes the size of everything written since.
  size_t open() {
    u16(0);
    return out_.size();
  }
  void close(size_t begin) { store_be16(out_, begin - 2, static_cast<uint16_t>(out_.size() - begin)); }
  std::vector<uint8_t> take() { return std::move(out_); }

 private:
  std::vector<uint8_t> out_;
};

void write_server_name(Writer& w, std::string_view host) {
  w.u16(kServerName);
  const size_t extension = w.open(), list = w.open();
  w.u8(0);  // name type: host name
  const size_t name = w.open();
  for (const char c : host) w.u8(static_cast<uint8_t>(c));
  w.close(name), w.close(list), w.close(extension);
}

void write_key_share(Writer& w, Bytes point) {  // any 32 bytes are a point of x25519 (RFC 7748 section 5)
  w.u16(kKeyShare);
  const size_t extension = w.open(), list = w.open();
  w.u16(0x001d);
  const size_t share = w.open();
  w.bytes(point);
  w.close(share), w.close(list), w.close(extension);
}

void write_list(Writer& w, uint16_t type, std::span<const uint16_t> words) {
  w.u16(type);
  const size_t extension = w.open(), list = w.open();
  w.words(words);
  w.close(list), w.close(extension);
}

void write_extensions(Writer& w, Bytes point, std::string_view host) {
  const size_t all = w.open();
  if (!host.empty() && host.size() <= kMostHost) write_server_name(w, host);
  w.bytes(kFixed);
  write_list(w, kSupportedGroups, kGroups);
  write_list(w, kSignatures, kSignatureSchemes);
  write_key_share(w, point);
  w.close(all);
}

uint16_t chosen_version(Bytes extensions, uint16_t otherwise) {
  while (extensions.size() >= 4) {
    const uint16_t type = load_be16(extensions, 0), size = load_be16(extensions, 2);
    if (extensions.size() < size_t{4} + size) break;
    if (type == kSupportedVersions && size == 2) return load_be16(extensions, 4);
    extensions = extensions.subspan(size_t{4} + size);
  }
  return otherwise;
}

}  // namespace

std::vector<uint8_t> tls_client_hello(std::span<const uint8_t, kTlsRandom> random, std::string_view host) {
  Writer w;
  w.u8(kHandshakeRecord), w.u16(0x0301);
  const size_t record = w.open();
  w.u8(kClientHello), w.u8(0);  // the size has three bytes; the first is always zero
  const size_t message = w.open();
  w.u16(0x0303);
  w.bytes(random.first<kRandom>());
  w.u8(kRandom), w.bytes(random.subspan<kRandom, kRandom>());  // session id: middleboxes expect one (RFC 8446 D.4)
  const size_t ciphers = w.open();
  w.words(kCiphers);
  w.close(ciphers);
  w.u8(1), w.u8(0);  // no compression
  write_extensions(w, random.last<kRandom>(), host);
  w.close(message), w.close(record);
  return w.take();
}

void TlsAnswer::take(Bytes piece) {
  if (stage_ != Stage::awaited) return;
  piece = piece.first(std::min(piece.size(), kMost - bytes_.size()));
  bytes_.insert(bytes_.end(), piece.begin(), piece.end());
  stage_ = read();
  if (stage_ == Stage::awaited && bytes_.size() == kMost) stage_ = Stage::bad;
}

// Parses from the beginning each time: a hello is short and nearly always comes in one piece.
TlsAnswer::Stage TlsAnswer::read() {
  std::vector<uint8_t> handshake;
  for (Bytes rest = bytes_; !rest.empty();) {
    const uint8_t type = rest[0];
    const bool known = type == kAlertRecord || type == kHandshakeRecord;
    if (!known || (rest.size() > 1 && rest[1] != 3)) return Stage::bad;
    if (rest.size() < kRecordHeader) return Stage::awaited;
    const size_t size = load_be16(rest, 3);
    if (size == 0 || size > kMostRecord || (type == kAlertRecord && size != 2)) return Stage::bad;
    const Bytes body = rest.subspan(kRecordHeader, std::min(size, rest.size() - kRecordHeader));
    if (type == kHandshakeRecord) {
      handshake.insert(handshake.end(), body.begin(), body.end());
      if (const Stage stage = read_hello(handshake); stage != Stage::awaited) return stage;
    } else if (body.size() == size && (body[0] != kWarning || body[1] == 0)) {  // 0: close_notify
      alert_ = body[1];
      return Stage::refused;
    }
    rest = rest.subspan(kRecordHeader + body.size());
  }
  return Stage::awaited;
}

TlsAnswer::Stage TlsAnswer::read_hello(Bytes hello) {
  constexpr size_t kSessionAt = 2 + kRandom;
  if (hello.empty()) return Stage::awaited;
  if (hello[0] != kServerHello) return Stage::bad;
  if (hello.size() < kMessageHeader) return Stage::awaited;
  const size_t size = load_be32(hello, 0) & 0xffffff;
  if (size < kSessionAt + 1 || size > kMost) return Stage::bad;
  if (hello.size() < kMessageHeader + size) return Stage::awaited;
  const Bytes body = hello.subspan(kMessageHeader, size);
  const size_t extensions_at = kSessionAt + 1 + body[kSessionAt] + 3;  // after cipher and compression
  if (body.size() < extensions_at || load_be16(body, 0) >> 8 != 3) return Stage::bad;
  const Bytes rest = body.subspan(extensions_at);
  version_ = chosen_version(rest.size() > 2 ? rest.subspan(2) : Bytes(), load_be16(body, 0));
  return Stage::hello;
}

std::string tls_version_text(uint16_t version) {
  if (version == 0x0300) return "SSLv3";
  return "TLSv1." + std::to_string((version & 0xff) - 1);
}

std::string tls_alert_text(uint8_t alert) {
  const char* word = nullptr;
  switch (alert) {
    case 0: word = "close_notify"; break;
    case 40: word = "handshake_failure"; break;
    case 47: word = "illegal_parameter"; break;
    case 50: word = "decode_error"; break;
    case 70: word = "protocol_version"; break;
    case 71: word = "insufficient_security"; break;
    case 80: word = "internal_error"; break;
    case 112: word = "unrecognized_name"; break;
    default: break;
  }
  std::string out = std::to_string(alert);
  if (word != nullptr) (out += " (").append(word) += ')';
  return out;
}

}  // namespace rawvs
