// SPDX-License-Identifier: BSD-2-Clause
// tcp_options.cpp: reads and writes the four options of a handshake.
#include "wire/tcp_options.h"

namespace rawvs {

namespace {

constexpr size_t kScaleSize = 3, kSackSize = 2;

}  // namespace

TcpOptions read_tcp_options(Bytes tcp) {
  TcpOptions found;
  each_tcp_option(tcp, [&](uint8_t kind, size_t at, size_t size) {
    if (kind == TcpOption::mss && size == kTcpMssSize) found.mss = load_be16(tcp, at + 2);
    if (kind == TcpOption::scale && size == kScaleSize) found.scale = std::min(tcp[at + 2], kMostScale);
    if (kind == TcpOption::sack_permitted && size == kSackSize) found.sack = true;
    if (kind == TcpOption::stamps && size == kTcpStampsSize)
      found.stamps = TcpStamps{load_be32(tcp, at + kTcpStampValueAt), load_be32(tcp, at + kTcpStampEchoAt)};
  });
  return found;
}

size_t write_tcp_options(MutableBytes out, const TcpOptions& options) {
  size_t at = 0;
  const auto put = [&](std::initializer_list<uint8_t> bytes) {
    for (const uint8_t b : bytes) out[at++] = b;
  };
  if (options.mss != 0) {
    put({TcpOption::mss, kTcpMssSize, 0, 0});
    store_be16(out, at - 2, options.mss);
  }
  if (options.sack) {
    put({TcpOption::sack_permitted, kSackSize});
    if (!options.stamps) put({TcpOption::nothing, TcpOption::nothing});
  } else if (options.stamps) {
    put({TcpOption::nothing, TcpOption::nothing});
  }
  if (options.stamps) {
    put({TcpOption::stamps, kTcpStampsSize, 0, 0, 0, 0, 0, 0, 0, 0});
    store_be32(out, at - 8, options.stamps->value);
    store_be32(out, at - 4, options.stamps->echo);
  }
  if (options.scale) put({TcpOption::nothing, TcpOption::scale, kScaleSize, *options.scale});
  return at;
}

}  // namespace rawvs
