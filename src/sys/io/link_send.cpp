// SPDX-License-Identifier: BSD-2-Clause
// link_send.cpp: how AF_PACKET sockets send: sendmmsg(2).
#include <algorithm>
#include <cerrno>

#include "sys/io/link_socket.h"

namespace rawvs {

void LinkSocket::send(std::span<const Frame> frames) {
  if (bare_) {
    for (const Frame& frame : frames) error_seen_ |= bare_->send(frame, counters_);
    return;
  }
  while (!frames.empty()) {
    const auto batch = frames.first(std::min(frames.size(), kBatch));
    flush(gather(batch));
    frames = frames.subspan(batch.size());
  }
}

size_t LinkSocket::gather(std::span<const Frame> frames) {
  size_t n = 0;
  for (const Frame& frame : frames) {
    if (frame.vlan != 0) {  // the tag is not in its bytes: it would enter another network
      ++counters_.send_failed;
      continue;
    }
    headers_[n] = VnetHeader::of(frame.offload);
    parts_[n] = {{{&headers_[n], vnet_size_}, {frame.data, frame.size}}};
    messages_[n] = {};
    messages_[n].msg_hdr.msg_iov = parts_[n].data();
    messages_[n].msg_hdr.msg_iovlen = parts_[n].size();
    ++n;
  }
  return n;
}

void LinkSocket::flush(size_t count) {
  size_t done = 0;
  while (done < count) {
    const int sent = sendmmsg(fd_, &messages_[done], static_cast<unsigned>(count - done), MSG_DONTWAIT);
    if (sent > 0) {
      done += static_cast<size_t>(sent);
      counters_.sent += static_cast<size_t>(sent);
      continue;  // the next call reports a further error with the next frame
    }
    if (errno == EINTR) continue;
    if (errno == ENETDOWN) error_seen_ = true;
    ++counters_.send_failed;
    ++done;
  }
}

}  // namespace rawvs
