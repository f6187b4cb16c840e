// SPDX-License-Identifier: BSD-2-Clause
// rtnetlink.h: one request to the kernel and its whole answer, with libmnl. For netlink.cpp and tc.cpp.
#pragma once

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>

#include "rawvs/addr.h"

namespace rawvs {

struct MnlClose {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using MnlSocket = std::unique_ptr<mnl_socket, MnlClose>;

// A request under construction.
class NetlinkRequest {
 public:
  NetlinkRequest(uint16_t type, unsigned flags);  // NLM_F_REQUEST is added
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes_.get()); }
  template <class T>
  T& extra() {  // the fixed part after the header; call it once, before any attribute
    return *static_cast<T*>(mnl_nlmsg_put_extra_header(header(), sizeof(T)));
  }
  void put_address(uint16_t type, Ip address);  // an attribute

 private:
  static constexpr size_t kSize = 40960;  // holds the longest classic BPF program
  std::unique_ptr<uint64_t[]> bytes_{new uint64_t[kSize / sizeof(uint64_t)]};
};

// Attributes by number; null: absent. Unknown ones are ignored. Borrowed from the message.
class Attributes {
 public:
  Attributes(const nlmsghdr* message, size_t fixed_size);  // those after the message's fixed part
  explicit Attributes(const nlattr* nest);                 // those in an attribute; null: none
  const nlattr* operator[](size_t type) const { return type < found_.size() ? found_[type] : nullptr; }

 private:
  static int note(const nlattr* attribute, void* found);
  std::array<const nlattr*, 64> found_{};
};

using Answer = std::function<void(const nlmsghdr*)>;  // called for every message of the answer

class Rtnetlink {
 public:
  static std::optional<Rtnetlink> open();  // empty: errno says why

  // From now on a request for a list is answered with what it names (Linux 4.20); before, with everything.
  void filter_dumps();

  // Sends the request and waits for the answer's messages or the acknowledgement. REQUIRES: NLM_F_ACK or NLM_F_DUMP is
  // set. Returns 0 or an errno.
  int ask(NetlinkRequest& request, const Answer& answer = {});

 private:
  explicit Rtnetlink(MnlSocket socket) : socket_(std::move(socket)) {}
  MnlSocket socket_;
  uint32_t sequence_ = 0;
};

}  // namespace rawvs
