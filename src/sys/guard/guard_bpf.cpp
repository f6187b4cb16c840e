// SPDX-License-Identifier: BSD-2-Clause
// guard_bpf.cpp: loads the guard's program (guard_code.h), and fills its maps of addresses.
#include "sys/guard/guard_bpf.h"

#include <cerrno>

#include "rawvs/bytes.h"
#include "sys/guard/guard_code.h"
#include "sys/guard/tc.h"
#include "wire/ip_bytes.h"

namespace rawvs {
namespace {

GuardKey6 key6_of(Guarded what, Ip address) {
  GuardKey6 key{static_cast<uint32_t>(what), {}};
  store_ipv6(key.address, 0, address);
  return key;
}

GuardKey key_of(Guarded what, Ip address) {
  GuardKey key{static_cast<uint32_t>(what), {}};
  store_be32(key.address, 0, address.v4());
  return key;
}

}  // namespace

ReplyKey key_of(const ReplyFlow& flow) {
  ReplyKey key;
  store_be32(key.server, 0, flow.server.addr.v4());
  store_be32(key.client, 0, flow.client.addr.v4());
  store_be16(key.server_port, 0, flow.server.port.value);
  store_be16(key.client_port, 0, flow.client.port.value);
  key.protocol = static_cast<uint32_t>(flow.protocol);
  return key;
}

ReplyKey6 key6_of(const ReplyFlow& flow) {
  ReplyKey6 key;
  store_ipv6(key.server, 0, flow.server.addr);
  store_ipv6(key.client, 0, flow.client.addr);
  store_be16(key.server_port, 0, flow.server.port.value);
  store_be16(key.client_port, 0, flow.client.port.value);
  key.protocol = static_cast<uint32_t>(flow.protocol);
  return key;
}

Result<GuardProgram> GuardProgram::load(bool ethernet) {
  auto addresses = BpfMap::make(sizeof(GuardKey), kMostAddresses);
  if (!addresses) return addresses.error();
  Knowledge knows{.ethernet = ethernet};
  auto program = load_bpf_program(BPF_PROG_TYPE_SCHED_CLS, guard_code(addresses->fd(), knows), kGuardName);
  if (!program) return program.error();
  return GuardProgram(std::move(*addresses), std::move(*program), std::move(knows));
}

Result<Fd> GuardProgram::with(const Knowledge& more) const {
  return load_bpf_program(BPF_PROG_TYPE_SCHED_CLS, guard_code(addresses_.fd(), more), kGuardName);
}

int GuardProgram::protect(Guarded what, Ip address) {
  if (address.is_v6()) {
    if (!addresses6_) {
      auto made = BpfMap::make(sizeof(GuardKey6), kMostAddresses);
      if (!made) return errno != 0 ? errno : ENOMEM;
      addresses6_ = std::move(*made);
    }
    const GuardKey6 key = key6_of(what, address);
    return addresses6_->put(&key);
  }
  const GuardKey key = key_of(what, address);
  return addresses_.put(&key);
}

int GuardProgram::unprotect(Guarded what, Ip address) {
  if (address.is_v6()) {
    const GuardKey6 key = key6_of(what, address);
    return addresses6_ ? addresses6_->remove(&key) : 0;
  }
  const GuardKey key = key_of(what, address);
  return addresses_.remove(&key);
}

}  // namespace rawvs
