// SPDX-License-Identifier: BSD-2-Clause
// filter_program.cpp: pcap_compile() without a capture handle.
#include "sys/guard/filter_program.h"

// libpcap's struct bpf_insn is another type than the kernel's of that name, which other files of the program have: the
// link sees both, so here it has a name of its own. Its functions are C's, whose names do not tell their types.
#define bpf_insn pcap_bpf_insn
#include <pcap/pcap.h>
#undef bpf_insn

#include <memory>

namespace rawvs {
namespace {

struct PcapClose {
  void operator()(pcap_t* handle) const { pcap_close(handle); }
};

struct Code {
  bpf_program program{};
  Code() = default;
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  ~Code() { pcap_freecode(&program); }
};

}  // namespace

Result<FilterProgram> compile_filter(const std::string& expression, int matched, bool ethernet) {
  // The snapshot length is the value that a program returns for a match.
  const std::unique_ptr<pcap_t, PcapClose> pcap(pcap_open_dead(ethernet ? DLT_EN10MB : DLT_RAW, matched));
  if (!pcap) return Error{"libpcap: out of memory"};
  Code code;
  constexpr int kOptimize = 1;
  if (pcap_compile(pcap.get(), &code.program, expression.c_str(), kOptimize, PCAP_NETMASK_UNKNOWN) != 0)
    return Error{"filter \"" + expression.substr(0, 200) + "\": " + pcap_geterr(pcap.get())};
  FilterProgram out;
  out.reserve(code.program.bf_len);
  for (u_int i = 0; i < code.program.bf_len; ++i) {
    const pcap_bpf_insn& insn = code.program.bf_insns[i];
    out.push_back({insn.code, insn.jt, insn.jf, insn.k});
  }
  return out;
}

}  // namespace rawvs
