// SPDX-License-Identifier: BSD-2-Clause
// doctor_forged.cpp: the doctor's check of what others say about the servers, and the director does not believe.
#include "doctor.h"

namespace rawvs::adm {

std::string look_at_disputes(const DoctorFacts& facts, Findings& findings) {
  for (const NeighborFacts& n : facts.daemon.neighbors) {
    if (n.disputed == 0) continue;
    findings.push_back({Urgency::warning, "disputed",
                        n.disputant + " said " + std::to_string(n.disputed) + " times that it has the address " +
                            text(n.address) + ", which " + (n.mac.empty() ? "another host" : n.mac) + " has",
                        "an address that two machines have, or a machine that wants the server's packets (spoofing): "
                        "while the old one answers, nothing is sent to the other",
                        "ip neigh | grep " + n.disputant +
                            "; take the address from that machine, or fix the server's: " + "server = ... mac=" +
                            (n.mac.empty() ? "MAC" : n.mac)});
  }
  return "";
}

}  // namespace rawvs::adm
