// SPDX-License-Identifier: BSD-2-Clause
// probe_udp.cpp: checks that a server takes a datagram, and answers it as expected. A host that is switched off refuses
// nothing: Linux gives up resolving its MAC address after three seconds, so a shorter timeout takes the host for well.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "sys/probe/probe.h"

namespace rawvs {
namespace {

class UdpProbe final : public DatagramProbe {
 public:
  using DatagramProbe::DatagramProbe;
  std::optional<ProbeOutcome> begin() override {
    if (auto outcome = open(SOCK_DGRAM, IPPROTO_UDP)) return outcome;
    const std::string& message = job_->spec.send;
    return ask({reinterpret_cast<const uint8_t*>(message.data()), message.size()});
  }
  ProbeOutcome late() override {
    if (!job_->spec.expect.empty()) return DatagramProbe::late();
    return well("no port unreachable within " + patience());
  }

 private:
  std::optional<ProbeOutcome> hear(Bytes message) override {
    if (contains(message, job_->spec.expect)) return well("answered");
    return ill("UDP: answer does not contain " + quoted_briefly(job_->spec.expect));
  }
  std::string words_of(int error) const override {
    return error == ECONNREFUSED ? "port unreachable" : DatagramProbe::words_of(error);
  }
};

}  // namespace

std::unique_ptr<Probe> make_udp_probe(ProbeJobPtr job) { return std::make_unique<UdpProbe>(std::move(job)); }

}  // namespace rawvs
