// SPDX-License-Identifier: BSD-2-Clause
// guard_bpf.cpp: the program is a few dozen instructions written out here, so that no BPF compiler is needed to build
// rawvs and no loader library to run it. Instruction set: Documentation/bpf/standardization/instruction-set.rst.
#include "guard_bpf.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "rawvs/bytes.h"
#include "rawvs/sys.h"
#include "tc.h"

namespace rawvs {
namespace {

// Not in every system's linux/bpf.h (Linux 6.6).
constexpr uint32_t kTcxIngress = 46;      // BPF_TCX_INGRESS
constexpr uint32_t kBeforeAll = 1u << 3;  // BPF_F_BEFORE, relative to nothing

// What the hooks make of the returned number; both agree on these.
constexpr int32_t kNext = -1;  // TC_ACT_UNSPEC, TCX_NEXT: not ours, ask the next program
constexpr int32_t kShot = 2;   // TC_ACT_SHOT, TCX_DROP

// A key of the map: what is dropped. Real servers' answers (source address, protocol and port) can be further kinds.
struct Key {
  enum : uint8_t { to_vip = 1 };
  uint8_t kind = to_vip;
  uint8_t protocol = 0;
  std::array<uint8_t, 2> port{};     // as on the wire
  std::array<uint8_t, 4> address{};  // as on the wire
};
static_assert(sizeof(Key) == 8);

Key key_of(Ip vip) {
  Key key;
  store_be32(key.address, 0, vip.v4());
  return key;
}

using Register = uint8_t;
constexpr Register r0 = BPF_REG_0, r1 = BPF_REG_1, r2 = BPF_REG_2, r3 = BPF_REG_3, r4 = BPF_REG_4, r6 = BPF_REG_6,
                   r7 = BPF_REG_7, stack = BPF_REG_10;

constexpr bpf_insn insn(int code, Register dst, Register src, int16_t offset, int32_t imm) {
  bpf_insn i{};
  i.code = static_cast<uint8_t>(code);
  i.dst_reg = dst & 0x0f;
  i.src_reg = src & 0x0f;
  i.off = offset;
  i.imm = imm;
  return i;
}
constexpr bpf_insn set(Register dst, int32_t value) { return insn(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value); }
constexpr bpf_insn copy(Register dst, Register src) { return insn(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0); }
constexpr bpf_insn add(Register dst, int32_t value) { return insn(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, value); }
constexpr bpf_insn mask(Register dst, int32_t bits) { return insn(BPF_ALU64 | BPF_AND | BPF_K, dst, 0, 0, bits); }
constexpr bpf_insn load_word(Register dst, Register base, size_t offset) {
  return insn(BPF_LDX | BPF_MEM | BPF_W, dst, base, static_cast<int16_t>(offset), 0);
}
constexpr bpf_insn load_frame16(int32_t at) { return insn(BPF_LD | BPF_ABS | BPF_H, 0, 0, 0, at); }  // r0, host order
constexpr bpf_insn store_byte(int16_t at, int32_t v) { return insn(BPF_ST | BPF_MEM | BPF_B, stack, 0, at, v); }
constexpr bpf_insn call(int32_t helper) { return insn(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
constexpr bpf_insn leave() { return insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }

class Assembler {  // jumps are forward only: jump to a label now, say later where it is
 public:
  using Label = std::vector<size_t>;  // the jumps that wait for it
  void put(bpf_insn i) { code_.push_back(i); }
  void jump_if_equal(Register r, int32_t value, Label& to) { jump(BPF_JEQ, r, value, to); }
  void jump_unless_equal(Register r, int32_t value, Label& to) { jump(BPF_JNE, r, value, to); }
  void jump(Label& to) { jump(BPF_JA, 0, 0, to); }
  void put_map(Register dst, int map) {  // two instructions long
    put(insn(BPF_LD | BPF_IMM | BPF_DW, dst, BPF_PSEUDO_MAP_FD, 0, map));
    put(bpf_insn{});
  }
  void here(const Label& label) {
    for (const size_t from : label) code_[from].off = static_cast<int16_t>(code_.size() - from - 1);
  }
  const std::vector<bpf_insn>& code() const { return code_; }

 private:
  void jump(int condition, Register r, int32_t value, Label& to) {
    to.push_back(code_.size());
    put(insn(BPF_JMP | condition | BPF_K, r, 0, 0, value));
  }
  std::vector<bpf_insn> code_;
};

// Drops: IPv4 to a VIP that was sent to our MAC; ARP requests for a VIP. Both untagged, or tagged with a priority only.
std::vector<bpf_insn> assemble(int map) {
  constexpr int32_t kVlanId = 0x0fff;
  constexpr int32_t kIpDestination = 30, kArpOperation = 20, kArpTarget = 38;  // bytes into the frame
  constexpr auto kKeyAt = -static_cast<int16_t>(sizeof(Key));
  constexpr auto kAddressAt = static_cast<int16_t>(kKeyAt + static_cast<int16_t>(offsetof(Key, address)));
  Assembler a;
  Assembler::Label next, arp, load, look_up;

  a.put(copy(r6, r1));  // the frame's __sk_buff; loads from the frame want it here
  a.put(load_word(r0, r6, offsetof(__sk_buff, vlan_tci)));
  a.put(mask(r0, kVlanId));
  a.jump_unless_equal(r0, 0, next);
  a.put(load_frame16(offsetof(ethhdr, h_proto)));
  a.jump_if_equal(r0, ETH_P_ARP, arp);
  a.jump_unless_equal(r0, ETH_P_IP, next);
  a.put(load_word(r0, r6, offsetof(__sk_buff, pkt_type)));
  a.jump_unless_equal(r0, PACKET_HOST, next);
  a.put(set(r7, kIpDestination));
  a.jump(load);
  a.here(arp);
  a.put(set(r7, kArpTarget));

  a.here(load);  // a loop over the key's other bytes: they are 0 but for the first
  a.put(store_byte(kKeyAt, Key::to_vip));
  for (int16_t i = 1; i < kAddressAt - kKeyAt; ++i) a.put(store_byte(static_cast<int16_t>(kKeyAt + i), 0));
  a.put(copy(r1, r6));
  a.put(copy(r2, r7));
  a.put(copy(r3, stack));
  a.put(add(r3, kAddressAt));
  a.put(set(r4, sizeof(Key::address)));
  a.put(call(BPF_FUNC_skb_load_bytes));
  a.jump_unless_equal(r0, 0, next);  // the frame is too short
  a.jump_if_equal(r7, kIpDestination, look_up);
  a.put(load_frame16(kArpOperation));
  a.jump_unless_equal(r0, 1, next);  // RFC 826: REQUEST

  a.here(look_up);
  a.put_map(r1, map);
  a.put(copy(r2, stack));
  a.put(add(r2, kKeyAt));
  a.put(call(BPF_FUNC_map_lookup_elem));
  a.jump_if_equal(r0, 0, next);
  a.put(set(r0, kShot));
  a.put(leave());
  a.here(next);
  a.put(set(r0, kNext));
  a.put(leave());
  return a.code();
}

int bpf(int command, bpf_attr& attributes) {
  return static_cast<int>(syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

uint64_t address_of(const void* p) { return reinterpret_cast<uintptr_t>(p); }

Fd create_map() {
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_HASH;
  attributes.key_size = sizeof(Key);
  attributes.value_size = sizeof(uint32_t);
  attributes.max_entries = GuardProgram::kMostEntries;
  attributes.map_flags = BPF_F_NO_PREALLOC;
  return Fd(bpf(BPF_MAP_CREATE, attributes));
}

Fd load_program(const std::vector<bpf_insn>& code, bool named) {
  static constexpr char kLicense[] = "BSD";  // the helpers called here ask for none
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_SCHED_CLS;
  attributes.insns = address_of(code.data());
  attributes.insn_cnt = static_cast<uint32_t>(code.size());
  attributes.license = address_of(kLicense);
  if (named) std::strncpy(attributes.prog_name, kGuardName, sizeof attributes.prog_name - 1);
  return Fd(bpf(BPF_PROG_LOAD, attributes));
}

void lift_memory_limit() {  // before 5.11 maps and programs count as locked memory, of which 64 KB are allowed
  rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
  if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0 || getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_MEMLOCK, &limit);
}

}  // namespace

Result<GuardProgram> GuardProgram::load() {
  Fd map = create_map();
  if (!map && errno == EPERM) {
    lift_memory_limit();
    map = create_map();
  }
  if (!map) return Error{system_error("bpf map", errno)};
  const auto code = assemble(map.get());
  Fd program = load_program(code, true);
  if (!program && (errno == EINVAL || errno == E2BIG)) program = load_program(code, false);  // names: Linux 4.15
  if (!program) return Error{system_error("bpf program", errno)};
  return GuardProgram(std::move(map), std::move(program));
}

int GuardProgram::protect(Ip vip) {
  const Key key = key_of(vip);
  const uint32_t value = 1;  // that the key is there is all that counts
  bpf_attr attributes{};
  attributes.map_fd = static_cast<uint32_t>(map_.get());
  attributes.key = address_of(&key);
  attributes.value = address_of(&value);
  attributes.flags = BPF_ANY;
  return bpf(BPF_MAP_UPDATE_ELEM, attributes) == 0 ? 0 : errno;
}

int GuardProgram::unprotect(Ip vip) {
  const Key key = key_of(vip);
  bpf_attr attributes{};
  attributes.map_fd = static_cast<uint32_t>(map_.get());
  attributes.key = address_of(&key);
  return bpf(BPF_MAP_DELETE_ELEM, attributes) == 0 || errno == ENOENT ? 0 : errno;
}

Result<Fd> attach_tcx(const GuardProgram& program, int ifindex) {
  bpf_attr attributes{};
  attributes.link_create.prog_fd = static_cast<uint32_t>(program.fd());
  attributes.link_create.target_ifindex = static_cast<uint32_t>(ifindex);
  attributes.link_create.attach_type = kTcxIngress;
  attributes.link_create.flags = kBeforeAll;
  Fd link(bpf(BPF_LINK_CREATE, attributes));
  if (!link) return Error{system_error("bpf link (needs Linux 6.6)", errno)};
  return link;
}

}  // namespace rawvs
