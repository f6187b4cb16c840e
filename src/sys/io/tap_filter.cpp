// SPDX-License-Identifier: BSD-2-Clause
// tap_filter.cpp: one classic instruction after the other.
//
// Registers: A is r0, where eBPF's loads from the frame put what they find; X is r7. These loads need the frame's
// context in r6, and change r1 to r5; r8 keeps A meanwhile. The scratch memory is on the stack.
#include "sys/io/tap_filter.h"

#include <cstddef>

#include "sys/guard/bpf.h"
#include "sys/guard/bpf_insn.h"
#include "sys/guard/filter_program.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

using namespace ebpf;

constexpr Register kA = r0, kX = r7, kContext = r6, kKept = r8;

class Translation {
 public:
  Translation(std::span<const sock_filter> classic, int taps)
      : classic_(classic), taps_(taps), places_(classic.size()) {}
  Result<std::vector<bpf_insn>> all();

 private:
  bool one(size_t at);  // false: it has no translation
  bool load(const sock_filter& i);
  bool load_x(const sock_filter& i);
  bool load_fact(uint32_t which);
  bool scratch(const sock_filter& i);
  bool compute(const sock_filter& i);
  bool jump(const sock_filter& i, size_t at);
  bool leave_with(const sock_filter& i);
  void begin();
  void refuse();
  void accept(bool with_a, uint32_t value);
  void refuse_if_zero(Register r);
  void go(size_t to) { a_.jump(places_[to]); }
  static int scratch_at(uint32_t cell) { return -4 * static_cast<int>(BPF_MEMWORDS - cell); }

  std::span<const sock_filter> classic_;
  int taps_;
  Assembler a_;
  std::vector<Assembler::Label> places_;  // of the classic instructions that are jumped to
  bool comes_here_ = true;                // whether the instruction before continues with this one
};

void Translation::begin() {
  a_.put(copy(kContext, r1));
  a_.put(set(kA, 0));
  a_.put(set(kX, 0));
  for (int at = scratch_at(0); at < 0; at += 8) a_.put(store_zeros(at));
}

void Translation::refuse() {
  a_.put(set(r0, 0));
  a_.put(leave());
}

void Translation::refuse_if_zero(Register r) {
  Assembler::Label goes_on;
  a_.jump32(BPF_JNE, r, 0, goes_on);
  refuse();
  a_.here(goes_on);
}

// The call does not return where there is a program in the array.
void Translation::accept(bool with_a, uint32_t value) {
  if (with_a) a_.put(copy32(kKept, kA));
  a_.put(copy(r1, kContext));
  a_.put_map(r2, taps_);
  a_.put(set(r3, 0));
  a_.put(call(BPF_FUNC_tail_call));
  a_.put(with_a ? copy32(r0, kKept) : set32(r0, static_cast<int32_t>(value)));
  a_.put(leave());
}

bool Translation::leave_with(const sock_filter& i) {
  comes_here_ = false;
  if (BPF_RVAL(i.code) == BPF_A) {
    refuse_if_zero(kA);
    return accept(true, 0), true;
  }
  if (BPF_RVAL(i.code) != BPF_K) return false;
  return i.k == 0 ? refuse() : accept(false, i.k), true;
}

// What the kernel knows of a frame besides its bytes. An unknown interface refuses the frame.
bool Translation::load_fact(uint32_t which) {
  const auto load = [this](size_t at) { a_.put(load_word(kA, kContext, static_cast<std::ptrdiff_t>(at))); };
  switch (which) {
    case SKF_AD_PROTOCOL: return load(offsetof(__sk_buff, protocol)), a_.put(from_wire16(kA)), true;
    case SKF_AD_PKTTYPE: return load(offsetof(__sk_buff, pkt_type)), true;
    case SKF_AD_IFINDEX: return load(offsetof(__sk_buff, ifindex)), refuse_if_zero(kA), true;
    case SKF_AD_MARK: return load(offsetof(__sk_buff, mark)), true;
    case SKF_AD_VLAN_TAG: return load(offsetof(__sk_buff, vlan_tci)), true;
    case SKF_AD_VLAN_TAG_PRESENT: return load(offsetof(__sk_buff, vlan_present)), true;
    default: return false;
  }
}

bool Translation::scratch(const sock_filter& i) {
  if (i.k >= BPF_MEMWORDS) return false;
  const int at = scratch_at(i.k);
  switch (BPF_CLASS(i.code)) {
    case BPF_LD: return a_.put(load_word(kA, stack, at)), true;
    case BPF_LDX: return a_.put(load_word(kX, stack, at)), true;
    case BPF_ST: return a_.put(store_word(at, kA)), true;
    default: return a_.put(store_word(at, kX)), true;
  }
}

bool Translation::load(const sock_filter& i) {
  const bool whole = BPF_SIZE(i.code) == BPF_W;
  switch (BPF_MODE(i.code)) {
    case BPF_ABS:
      if (i.k >= static_cast<uint32_t>(SKF_AD_OFF)) return load_fact(i.k - static_cast<uint32_t>(SKF_AD_OFF));
      [[fallthrough]];
    case BPF_IND:
      if (BPF_SIZE(i.code) != BPF_W && BPF_SIZE(i.code) != BPF_H && BPF_SIZE(i.code) != BPF_B) return false;
      a_.put(load_frame(i.code, BPF_MODE(i.code) == BPF_IND ? kX : r0, static_cast<int32_t>(i.k)));
      return true;
    case BPF_IMM: return a_.put(set32(kA, static_cast<int32_t>(i.k))), whole;
    case BPF_LEN: return a_.put(load_word(kA, kContext, offsetof(__sk_buff, len))), whole;
    case BPF_MEM: return whole && scratch(i);
    default: return false;
  }
}

bool Translation::load_x(const sock_filter& i) {
  if (i.code == (BPF_LDX | BPF_B | BPF_MSH)) {  // the size of an IPv4 header
    a_.put(copy32(kKept, kA));
    a_.put(load_frame(BPF_LD | BPF_B | BPF_ABS, r0, static_cast<int32_t>(i.k)));
    a_.put(alu32_value(BPF_AND, r0, 0x0f));
    a_.put(alu32_value(BPF_LSH, r0, 2));
    a_.put(copy32(kX, r0));
    a_.put(copy32(kA, kKept));
    return true;
  }
  if (BPF_SIZE(i.code) != BPF_W) return false;
  switch (BPF_MODE(i.code)) {
    case BPF_IMM: return a_.put(set32(kX, static_cast<int32_t>(i.k))), true;
    case BPF_LEN: return a_.put(load_word(kX, kContext, offsetof(__sk_buff, len))), true;
    case BPF_MEM: return scratch(i);
    default: return false;
  }
}

// eBPF's codes are the same; a division by X = 0 refuses the frame here only.
bool Translation::compute(const sock_filter& i) {
  const int what = BPF_OP(i.code);
  const bool by_x = BPF_SRC(i.code) == BPF_X, divides = what == BPF_DIV || what == BPF_MOD;
  if (what == BPF_NEG) return a_.put(alu32_value(BPF_NEG, kA, 0)), true;
  if (what > BPF_XOR) return false;
  if (!by_x && divides && i.k == 0) return false;
  if (!by_x && (what == BPF_LSH || what == BPF_RSH) && i.k >= 32) return false;
  if (by_x && divides) refuse_if_zero(kX);
  a_.put(by_x ? alu32(what, kA, kX) : alu32_value(what, kA, static_cast<int32_t>(i.k)));
  return true;
}

bool Translation::jump(const sock_filter& i, size_t at) {
  const size_t next = at + 1, most = classic_.size();
  const int what = BPF_OP(i.code);
  comes_here_ = false;
  if (what == BPF_JA) return i.k < most - next && (go(next + i.k), true);
  if (what != BPF_JEQ && what != BPF_JGT && what != BPF_JGE && what != BPF_JSET) return false;
  if (next + i.jt >= most || next + i.jf >= most) return false;
  if (BPF_SRC(i.code) == BPF_X) {
    a_.jump32_by(what, kA, kX, places_[next + i.jt]);
  } else {
    a_.jump32(what, kA, static_cast<int32_t>(i.k), places_[next + i.jt]);
  }
  if (i.jf != 0) go(next + i.jf);
  comes_here_ = i.jf == 0;
  return true;
}

bool Translation::one(size_t at) {
  const sock_filter& i = classic_[at];
  switch (BPF_CLASS(i.code)) {
    case BPF_LD: return load(i);
    case BPF_LDX: return load_x(i);
    case BPF_ST:
    case BPF_STX: return scratch(i);
    case BPF_ALU: return compute(i);
    case BPF_JMP: return jump(i, at);
    case BPF_RET: return leave_with(i);
    default: break;
  }
  if (BPF_MISCOP(i.code) == BPF_TAX) return a_.put(copy32(kX, kA)), true;
  return BPF_MISCOP(i.code) == BPF_TXA && (a_.put(copy32(kA, kX)), true);
}

Result<std::vector<bpf_insn>> Translation::all() {
  if (classic_.empty() || classic_.size() > kMostInstructions)
    return Error{formatted("a filter of {} instructions, of 1 to {}", classic_.size(), kMostInstructions)};
  begin();
  for (size_t at = 0; at < classic_.size(); ++at) {
    // The kernel refuses what is never reached, which a classic program may have.
    if (!comes_here_ && places_[at].empty()) continue;
    a_.here(places_[at]);
    comes_here_ = true;
    if (!one(at)) {
      return Error{formatted("instruction {} of the filter has no translation: code {}, value {}", at,
                             classic_[at].code, classic_[at].k)};
    }
  }
  if (comes_here_) return Error{"the filter does not end with a return"};
  return a_.code();
}

}  // namespace

Result<std::vector<bpf_insn>> tap_filter_code(std::span<const sock_filter> classic, int taps) {
  return Translation(classic, taps).all();
}

Result<Fd> load_tap_filter(std::span<const sock_filter> classic, int taps) {
  const auto code = tap_filter_code(classic, taps);
  if (!code) return code.error();
  return load_bpf_program(BPF_PROG_TYPE_SOCKET_FILTER, *code, "rawvs_tap");
}

}  // namespace rawvs
