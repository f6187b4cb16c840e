// SPDX-License-Identifier: BSD-2-Clause
// probe_tls.cpp: does a server speak TLS? It is said hello, and has to say hello, too; then the connection is given up.
// A whole handshake would hold the loop up for tens of milliseconds of reckoning, on routers much longer, and
// certificates would not be verified anyway: who takes servers out because a certificate ran out does more harm than
// that does.
#include <sys/random.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "sys/probe/probe.h"
#include "wire/tls_hello.h"

namespace rawvs {
namespace {

class TlsProbe final : public TcpProbe {
 public:
  using TcpProbe::TcpProbe;
  std::optional<ProbeOutcome> begin() override {
    std::array<uint8_t, kTlsRandom> random{};
    // Without entropy the machine has just booted; nothing secret depends on it.
    static_cast<void>(getrandom(random.data(), random.size(), GRND_NONBLOCK));
    const std::vector<uint8_t> hello = tls_client_hello(random, job_->spec.host);
    question_.assign(hello.begin(), hello.end());
    return TcpProbe::begin();
  }
  ProbeOutcome late() override {
    return answer_.begun() ? ill("TLS: answer not complete within " + patience()) : TcpProbe::late();
  }

 private:
  std::optional<ProbeOutcome> hear(Bytes piece) override {
    answer_.take(piece);
    switch (answer_.stage()) {
      case TlsAnswer::Stage::awaited: return std::nullopt;
      case TlsAnswer::Stage::hello: return well(tls_version_text(answer_.version()));
      case TlsAnswer::Stage::refused: return ill("TLS: refused by alert " + tls_alert_text(answer_.alert()));
      case TlsAnswer::Stage::bad: break;
    }
    return ill("TLS: not a TLS answer");
  }
  std::optional<ProbeOutcome> closed() override { return ill("TLS: closed within the handshake"); }

  TlsAnswer answer_;
};

}  // namespace

std::unique_ptr<Probe> make_tls_probe(ProbeJobPtr job) { return std::make_unique<TlsProbe>(std::move(job)); }

}  // namespace rawvs
