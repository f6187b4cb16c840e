// SPDX-License-Identifier: BSD-2-Clause
// tun.cpp: /dev/net/tun, and the interface's settings by ioctl(2), netdevice(7).
#include "sys/net/tun.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <utility>

#include "sys/handed_over.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

constexpr char kDevice[] = "/dev/net/tun", kNames[] = "rawvs%d";
constexpr int kQueue = 2000;  // packets that wait for the director

ifreq request_about(const std::string& name) {
  ifreq request{};
  name.copy(request.ifr_name, sizeof request.ifr_name - 1);
  return request;
}

std::optional<std::string> tun_name(int fd) {  // none: it is no tun interface's
  ifreq request{};
  if (ioctl(fd, TUNGETIFF, &request) != 0) return std::nullopt;
  return std::string(request.ifr_name);
}

// Without it the kernel gives the interface a link-local address, and asks for routers there: harmless, but packets.
void want_no_link_local_address(const std::string& name) {
  const Fd file(open(("/proc/sys/net/ipv6/conf/" + name + "/addr_gen_mode").c_str(), O_WRONLY | O_CLOEXEC));
  if (file) [[maybe_unused]]
    const ssize_t written = write(file.get(), "1", 1);
}

Error no_device(int problem) {
  const bool missing = problem == ENOENT || problem == ENODEV || problem == ENXIO;
  return {system_error(kDevice, problem) +
          (missing ? ": the kernel's tun driver is not here (modprobe tun; a container needs the device)"
                   : " (needs root or CAP_NET_ADMIN)")};
}

}  // namespace

Result<std::unique_ptr<Tun>> Tun::open(Fd inherited) {
  std::unique_ptr<Tun> tun(new Tun(std::move(inherited)));
  const auto done = tun->inherited_ ? tun->set_up() : tun->make(kNames);
  if (!done) return done.error();
  return tun;
}

// The descriptor has outlived its interface: no other one is needed, and opening it may need rights that are given up.
Result<Done> Tun::renew() {
  if (attach(name_)) return set_up();
  return make(name_);
}

bool Tun::attach(const std::string& name) const {
  ifreq request = request_about(name);
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  return ioctl(fd_.get(), TUNSETIFF, &request) == 0;
}

Result<Done> Tun::make(const std::string& name) {
  fd_ = Fd(::open(kDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd_) return no_device(errno);
  if (!attach(name)) return no_device(errno);
  return set_up();
}

Result<Done> Tun::set_up() {
  const auto name = tun_name(fd_.get());
  if (!name) return Error{system_error("tun interface", errno)};
  name_ = *name;
  ifindex_ = static_cast<int>(if_nametoindex(name_.c_str()));
  const Fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (ifindex_ == 0 || !any) return Error{system_error("interface " + name_, errno)};
  // Without these the kernel completes checksums and cuts super-frames before.
  ioctl(fd_.get(), TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6);
  ifreq queue = request_about(name_);
  queue.ifr_qlen = kQueue;
  ioctl(any.get(), SIOCSIFTXQLEN, &queue);
  want_no_link_local_address(name_);
  ifreq flags = request_about(name_);
  if (ioctl(any.get(), SIOCGIFFLAGS, &flags) != 0) return Error{system_error("interface " + name_, errno)};
  flags.ifr_flags = static_cast<short>(flags.ifr_flags | IFF_UP);
  if (ioctl(any.get(), SIOCSIFFLAGS, &flags) != 0) return Error{system_error("interface " + name_, errno)};
  return Done{};
}

bool Tun::set_mtu(uint32_t mtu) const {
  const Fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = request_about(name_);
  request.ifr_mtu = static_cast<int>(mtu);
  return ioctl(any.get(), SIOCSIFMTU, &request) == 0;
}

TunHandOver::TunHandOver(int fd) {
  if (fd < 0) return;
  copy_ = Fd(fcntl(fd, F_DUPFD, STDERR_FILENO + 1));  // stays open through exec()
  if (copy_) setenv(kTunVariable, std::to_string(copy_.get()).c_str(), 1);
}

TunHandOver::~TunHandOver() {
  if (copy_) unsetenv(kTunVariable);
}

Fd TunHandOver::inherited() {
  const int fd = descriptor_in(take_variable(kTunVariable).value_or("")).value_or(-1);
  // A descriptor of anything else is left open.
  if (fd <= STDERR_FILENO || !tun_name(fd) || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return Fd();
  return Fd(fd);
}

}  // namespace rawvs
