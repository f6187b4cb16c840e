// SPDX-License-Identifier: BSD-2-Clause
// rtnetlink.cpp: requests and answers, with sequence numbers: the rest of an older answer is ignored.
#include "sys/net/rtnetlink.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <vector>

#include "sys/net/socket_address.h"

namespace rawvs {
namespace {

constexpr size_t kReceiveSize = 32768;  // the kernel's pieces of a dump are not larger
constexpr int kMostPieces = 10000;

int collect(const nlmsghdr* message, void* data) {
  const auto& answer = *static_cast<const Answer*>(data);
  if (answer) answer(message);
  return MNL_CB_OK;
}

}  // namespace

Attributes::Attributes(const nlmsghdr* message, size_t fixed_size) {
  mnl_attr_parse(message, static_cast<unsigned>(fixed_size), note, this);
}

Attributes::Attributes(const nlattr* nest) {
  if (nest != nullptr) mnl_attr_parse_nested(nest, note, this);
}

int Attributes::note(const nlattr* attribute, void* found) {
  auto& all = static_cast<Attributes*>(found)->found_;
  if (const size_t type = mnl_attr_get_type(attribute); type < all.size()) all[type] = attribute;
  return MNL_CB_OK;
}

NetlinkRequest::NetlinkRequest(uint16_t type, unsigned flags) {
  nlmsghdr* const h = mnl_nlmsg_put_header(bytes_.get());
  h->nlmsg_type = type;
  h->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
}

void NetlinkRequest::put_address(uint16_t type, Ip address) {
  const WireAddress wire(address);
  mnl_attr_put(header(), type, wire.size(), wire.data());
}

std::optional<Rtnetlink> Rtnetlink::open() {
  MnlSocket socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
  if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) != 0) return std::nullopt;
  const timeval patience{2, 0};  // the kernel answers at once; the limit keeps a fault from blocking the loop
  setsockopt(mnl_socket_get_fd(socket.get()), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return Rtnetlink(std::move(socket));
}

void Rtnetlink::filter_dumps() {
  constexpr int kStrict = 12;  // NETLINK_GET_STRICT_CHK, which older headers lack
  int on = 1;
  mnl_socket_setsockopt(socket_.get(), kStrict, &on, sizeof on);
}

int Rtnetlink::ask(NetlinkRequest& request, const Answer& answer) {
  nlmsghdr* const h = request.header();
  h->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_.get(), h, h->nlmsg_len) < 0) return errno;
  std::vector<uint64_t> buffer(kReceiveSize / sizeof(uint64_t));
  for (int piece = 0; piece < kMostPieces; ++piece) {
    const ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer.data(), kReceiveSize);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno;
    const auto* first = reinterpret_cast<const nlmsghdr*>(buffer.data());
    if (!mnl_nlmsg_ok(first, static_cast<int>(size)) || first->nlmsg_seq != h->nlmsg_seq) continue;
    const int more = mnl_cb_run(buffer.data(), static_cast<size_t>(size), h->nlmsg_seq,
                                mnl_socket_get_portid(socket_.get()), collect, const_cast<Answer*>(&answer));
    if (more < 0) return errno;
    if (more == MNL_CB_STOP) return 0;
  }
  return EPROTO;
}

}  // namespace rawvs
