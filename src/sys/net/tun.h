// SPDX-License-Identifier: BSD-2-Clause
// tun.h: the tun interface by which this host's own packets to VIPs come to the director (local_clients).
// Out: its descriptor: reading gives what the kernel sends by the interface, writing gives the kernel a packet that
//      arrived there; each with its offload facts (vnet_header.h), without a link header.
// Not: which packets the kernel sends there (vip_routes.h), reading and writing (sys/io/tun_io.h).
//
// The interface ends, with its routes, when the last descriptor is closed: also after kill -9. A program that replaces
// this one gets the descriptor, so the kernel's packets wait meanwhile. Linux's networking/tuntap.rst.
#pragma once

#include <memory>
#include <string>

#include "rawvs/result.h"
#include "sys/fd.h"

namespace rawvs {

class Tun {
 public:
  // Makes rawvs0, or the first free number, and sets it up. inherited: the one of the program before (TunHandOver);
  // none: makes one. An error says what is missing.
  static Result<std::unique_ptr<Tun>> open(Fd inherited);

  int fd() const { return fd_.get(); }
  const std::string& name() const { return name_; }
  int ifindex() const { return ifindex_; }
  bool inherited() const { return inherited_; }
  bool set_mtu(uint32_t mtu) const;
  // Makes it again with the same name: somebody has deleted it.
  Result<Done> renew();

 private:
  explicit Tun(Fd inherited) : fd_(std::move(inherited)), inherited_(static_cast<bool>(fd_)) {}
  bool attach(const std::string& name) const;
  Result<Done> make(const std::string& name);
  Result<Done> set_up();

  Fd fd_;
  std::string name_;
  int ifindex_ = 0;
  bool inherited_ = false;
};

// For the program that replaces this one: exec() keeps the descriptor, RAWVS_TUN_FD names it. If exec() fails, the
// destructor undoes this. REQUIRES: one thread.
class TunHandOver {
 public:
  explicit TunHandOver(int fd);  // -1: there is none
  ~TunHandOver();
  TunHandOver(const TunHandOver&) = delete;
  TunHandOver& operator=(const TunHandOver&) = delete;
  // The descriptor that RAWVS_TUN_FD names, if it is one of a tun interface; else none. Removes the variable.
  static Fd inherited();

 private:
  Fd copy_;
};

}  // namespace rawvs
