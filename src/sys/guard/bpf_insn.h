// SPDX-License-Identifier: BSD-2-Clause
// bpf_insn.h: eBPF instructions by name, and an assembler for forward jumps.
//
// With it rawvs needs no BPF compiler and no loader library. Documentation/bpf/standardization/instruction-set.rst.
#pragma once

#include <linux/bpf.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace rawvs::ebpf {

using Register = uint8_t;
inline constexpr Register r0 = BPF_REG_0, r1 = BPF_REG_1, r2 = BPF_REG_2, r3 = BPF_REG_3, r4 = BPF_REG_4,
                          r6 = BPF_REG_6, r7 = BPF_REG_7, r8 = BPF_REG_8, stack = BPF_REG_10;

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
constexpr bpf_insn add_register(Register dst, Register src) {
  return insn(BPF_ALU64 | BPF_ADD | BPF_X, dst, src, 0, 0);
}
constexpr bpf_insn mask(Register dst, int32_t bits) { return insn(BPF_ALU64 | BPF_AND | BPF_K, dst, 0, 0, bits); }
constexpr bpf_insn shift_left(Register dst, int32_t by) { return insn(BPF_ALU64 | BPF_LSH | BPF_K, dst, 0, 0, by); }
constexpr bpf_insn alu32(int what, Register dst, Register src) { return insn(BPF_ALU | what | BPF_X, dst, src, 0, 0); }
constexpr bpf_insn alu32_value(int what, Register dst, int32_t v) { return insn(BPF_ALU | what | BPF_K, dst, 0, 0, v); }
constexpr bpf_insn set32(Register dst, int32_t value) { return alu32_value(BPF_MOV, dst, value); }
constexpr bpf_insn copy32(Register dst, Register src) { return alu32(BPF_MOV, dst, src); }
constexpr bpf_insn from_wire16(Register r) { return insn(BPF_ALU | BPF_END | BPF_TO_BE, r, 0, 0, 16); }
constexpr bpf_insn load_byte(Register dst, int at) {  // from the stack; the stores write there
  return insn(BPF_LDX | BPF_MEM | BPF_B, dst, stack, static_cast<int16_t>(at), 0);
}
constexpr bpf_insn load_word(Register dst, Register base, std::ptrdiff_t at) {
  return insn(BPF_LDX | BPF_MEM | BPF_W, dst, base, static_cast<int16_t>(at), 0);
}
constexpr bpf_insn store_word(int at, Register src) {
  return insn(BPF_STX | BPF_MEM | BPF_W, stack, src, static_cast<int16_t>(at), 0);
}
constexpr bpf_insn store_word_value(int at, int32_t v) {
  return insn(BPF_ST | BPF_MEM | BPF_W, stack, 0, static_cast<int16_t>(at), v);
}
constexpr bpf_insn store_zeros(int at) {  // eight bytes
  return insn(BPF_ST | BPF_MEM | BPF_DW, stack, 0, static_cast<int16_t>(at), 0);
}
// To r0, in host order. REQUIRES: the context is in r6. Behind the frame's end the program returns 0.
constexpr bpf_insn load_frame(int code, Register index, int32_t at) { return insn(code, 0, index, 0, at); }
constexpr bpf_insn load_frame16(int32_t at) { return load_frame(BPF_LD | BPF_ABS | BPF_H, 0, at); }
constexpr bpf_insn call(int32_t helper) { return insn(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
constexpr bpf_insn leave() { return insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }

constexpr int32_t as_on_wire(uint16_t v) {  // a number of two bytes that was loaded from __sk_buff
  return std::bit_cast<uint16_t>(std::array<uint8_t, 2>{static_cast<uint8_t>(v >> 8), static_cast<uint8_t>(v)});
}

class Assembler {  // jumps forward only: jump to a label first, place it with here()
 public:
  using Label = std::vector<size_t>;  // the jumps to it
  void put(bpf_insn i) { code_.push_back(i); }
  void jump_if_equal(Register r, int32_t value, Label& to) { jump(BPF_JEQ, r, value, to); }
  void jump_unless_equal(Register r, int32_t value, Label& to) { jump(BPF_JNE, r, value, to); }
  void jump(Label& to) { jump(BPF_JA, 0, 0, to); }
  void jump_if_greater(Register r, Register than, Label& to) {
    to.push_back(code_.size());
    put(insn(BPF_JMP | BPF_JGT | BPF_X, r, than, 0, 0));
  }
  void jump32(int condition, Register r, int32_t value, Label& to) {  // compares 32 bits: Linux 5.1
    to.push_back(code_.size());
    put(insn(BPF_JMP32 | condition | BPF_K, r, 0, 0, value));
  }
  void jump32_by(int condition, Register r, Register other, Label& to) {
    to.push_back(code_.size());
    put(insn(BPF_JMP32 | condition | BPF_X, r, other, 0, 0));
  }
  void put_map(Register dst, int map) {  // two instructions long
    put(insn(BPF_LD | BPF_IMM | BPF_DW, dst, BPF_PSEUDO_MAP_FD, 0, map));
    put(bpf_insn{});
  }
  void look_up(int map, int key_at, Label& found) {  // the key is on the stack
    put_map(r1, map);
    put(copy(r2, stack));
    put(add(r2, key_at));
    put(call(BPF_FUNC_map_lookup_elem));
    jump_unless_equal(r0, 0, found);
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

}  // namespace rawvs::ebpf
