// SPDX-License-Identifier: BSD-2-Clause
// bench-load: sends UDP packets of many flows at a given rate in one network namespace, and counts the arrivals in
// another. One thread does both: sender and receiver do not compete for a core, and one clock measures the latency.
// Prints one line of key=value words for tools/bench/load.py.
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "sys/io/packet_socket.h"
#include "wire/checksum.h"
#include "wire/ip_bytes.h"
#include "wire/ip_header.h"

namespace {

using namespace rawvs;

constexpr size_t kBatch = 32;                            // frames per sendmmsg(): few, to keep the rate even
constexpr size_t kIpAt = 14, kStampAt = 8, kRunAt = 16;  // in the datagram: time of sending; the sender's id
constexpr size_t kSmallestDatagram = 26, kLargest = 1514;
constexpr uint32_t kVip = 0xc0000264;  // 192.0.2.100
constexpr uint32_t kClients = 250;     // the flows' addresses: 198.51.100.1 to .250
constexpr uint32_t kFirstClient = 0xc6336401;
constexpr uint64_t kClientsPrefix = 0x20010db8'000c'0000;  // in IPv6: 2001:db8:c::1 to ::fa
constexpr uint32_t kFirstPort = 1024, kMostFlows = kClients * (65536 - kFirstPort);
constexpr uint32_t kStride = 104'729;  // a prime: the flows' order defeats caches
constexpr int64_t kSecond = 1'000'000'000, kQuiet = 30'000'000, kLongestWait = 300'000'000, kPatience = 10'000'000;

constexpr size_t ip_header_bytes(Family f) { return f == Family::ipv4 ? 20 : 40; }

struct Wanted {
  std::string from, to, interface = "eth0";
  Mac target{{2, 0, 0, 0, 0, 0x10}}, source{{2, 0, 0, 0, 0, 0x01}};
  Ip vip{kVip};
  Port port{80};
  double rate = 100'000, seconds = 0.25;
  uint32_t flows = 1000, first = 0, size = 60;
  bool in_order = false;  // each flow once, in order: creates connections
  bool stamps = false;    // reads every arriving packet, for its latency
  bool alone = false;     // sends the next packet when the last one has arrived

  size_t udp_at() const { return kIpAt + ip_header_bytes(vip.family()); }
};

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "bench-load: %s\n", what.c_str());
  std::exit(1);
}
[[noreturn]] void fail_with_errno(const std::string& what) { fail(what + ": " + std::strerror(errno)); }

int64_t nanoseconds() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * kSecond + t.tv_nsec;
}

class Place {  // a namespace and its interface
 public:
  Place(const std::string& name, std::string interface) : interface_(std::move(interface)) {
    const std::string path = "/run/netns/" + name;
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
      fail_with_errno(path);  // sockets stay in the namespace where they were made
    close(fd);
    counters_ = open("/proc/thread-self/net/dev", O_RDONLY | O_CLOEXEC);
    if (counters_ < 0) fail_with_errno("/proc/thread-self/net/dev");
    ifindex_ = static_cast<int>(if_nametoindex(interface_.c_str()));
    if (ifindex_ == 0) fail_with_errno(name + ": " + interface_);
  }
  ~Place() { close(counters_); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  int ifindex() const { return ifindex_; }
  uint64_t received() const {  // packets, by the interface's own counter
    std::array<char, 4096> text{};
    if (pread(counters_, text.data(), text.size() - 1, 0) < 0) fail_with_errno("/proc/thread-self/net/dev");
    const char* const row = std::strstr(text.data(), (interface_ + ":").c_str());
    unsigned long long bytes = 0, packets = 0;
    if (row == nullptr || std::sscanf(row + interface_.size() + 1, "%llu %llu", &bytes, &packets) != 2)
      fail("/proc/thread-self/net/dev: no row of " + interface_);
    return packets;
  }

 private:
  std::string interface_;
  int ifindex_ = 0, counters_ = -1;
};

class Sender {
 public:
  Sender(const Wanted& wanted, int ifindex) : wanted_(wanted) {
    fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);  // protocol 0: it receives nothing
    constexpr int kOn = 1, kQueue = 8 << 20;
    setsockopt(fd_, SOL_PACKET, PACKET_QDISC_BYPASS, &kOn, sizeof kOn);
    setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &kQueue, sizeof kQueue);
    address_.sll_family = AF_PACKET;
    address_.sll_ifindex = ifindex;
    if (fd_ < 0 || bind(fd_, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) != 0)
      fail_with_errno("packet socket");
    for (size_t i = 0; i < kBatch; ++i) {
      parts_[i] = {bytes_[i].data(), wanted.size};
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
      prepare(bytes_[i]);
    }
  }
  ~Sender() { close(fd_); }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  void send(size_t count) {  // at most kBatch
    const int64_t now = nanoseconds();
    for (size_t i = 0; i < count; ++i) finish(bytes_[i], flow(sent_ + i), now);
    for (size_t done = 0; done < count;) {
      const int n = sendmmsg(fd_, &messages_[done], static_cast<unsigned>(count - done), 0);
      if (n > 0) done += static_cast<size_t>(n);
      if (n <= 0 && errno != EINTR && errno != ENOBUFS) fail_with_errno("send");
    }
    sent_ += count;
  }
  uint64_t sent() const { return sent_; }

 private:
  uint32_t flow(uint64_t number) const {
    const uint64_t step = wanted_.in_order ? 1 : kStride;
    return static_cast<uint32_t>((wanted_.first + number * step) % wanted_.flows);
  }
  void prepare(MutableBytes b) const {
    std::copy(wanted_.target.bytes.begin(), wanted_.target.bytes.end(), b.begin());
    std::copy(wanted_.source.bytes.begin(), wanted_.source.bytes.end(), b.begin() + 6);
    store_be16(b, 12, ether_type(wanted_.vip.family()));
    if (wanted_.vip.is_v4()) {
      store_be16(b, kIpAt, 0x4500);
      store_be16(b, kIpAt + 2, static_cast<uint16_t>(wanted_.size - kIpAt));
      store_be32(b, kIpAt + 4, 0x00004000);  // do not fragment
      store_be16(b, kIpAt + 8, 0x4011);      // time to live 64, UDP
    } else {
      store_be32(b, kIpAt, 0x60000000);
      store_be16(b, kIpAt + 4, static_cast<uint16_t>(wanted_.size - udp_));
      store_be16(b, kIpAt + 6, 0x1140);  // UDP, hop limit 64
    }
    store_ip(b, udp_ - ip_bytes(wanted_.vip.family()), wanted_.vip);
    store_be16(b, udp_ + 2, wanted_.port.value);
    store_be16(b, udp_ + 4, static_cast<uint16_t>(wanted_.size - udp_));
    store_be32(b, udp_ + kRunAt, static_cast<uint32_t>(getpid()));
  }
  Ip client(uint32_t flow) const {
    const uint32_t number = flow % kClients;
    return wanted_.vip.is_v4() ? Ip(kFirstClient + number) : Ip(kClientsPrefix, number + 1);
  }
  void finish(MutableBytes b, uint32_t flow, int64_t now) const {
    const Ip source = client(flow);
    store_ip(b, udp_ - 2 * ip_bytes(source.family()), source);
    if (source.is_v4()) {
      store_be16(b, kIpAt + 10, 0);
      store_be16(b, kIpAt + 10, checksum(Bytes(b).subspan(kIpAt, udp_ - kIpAt)));
    }
    store_be16(b, udp_, static_cast<uint16_t>(kFirstPort + flow / kClients));
    std::memcpy(&b[udp_ + kStampAt], &now, sizeof now);
    store_be16(b, udp_ + 6, 0);
    const uint64_t sum =
        pseudo_header_sum(source, wanted_.vip, Protocol::udp, static_cast<uint32_t>(wanted_.size - udp_));
    const uint16_t check =  // the bytes after these are zero
        static_cast<uint16_t>(~checksum_fold(checksum_add(Bytes(b).subspan(udp_, kSmallestDatagram), sum)));
    store_be16(b, udp_ + 6, check == 0 ? 0xffff : check);
  }

  const Wanted& wanted_;
  const size_t udp_ = wanted_.udp_at();
  int fd_ = -1;
  sockaddr_ll address_{};
  uint64_t sent_ = 0;
  std::array<std::array<uint8_t, kLargest>, kBatch> bytes_{};
  std::array<iovec, kBatch> parts_{};
  std::array<mmsghdr, kBatch> messages_{};
};

class Receiver {  // receives this run's packets, for their latency
 public:
  explicit Receiver(const Wanted& wanted, int ifindex) {
    auto opened = PacketSocket::open({.ifindex = ifindex, .name = wanted.interface, .ring_frames = 8192});
    if (!opened) fail(opened.error().text);
    socket_ = std::move(*opened);
    if (const auto set = socket_->set_filter("ip or ip6"); !set) fail(set.error().text);
    nanoseconds_.reserve(static_cast<size_t>(wanted.rate * wanted.seconds) + kBatch);
  }
  void drain() {
    const size_t count = socket_->receive(frames_);
    if (count == 0) return;
    const int64_t now = nanoseconds();
    for (const Frame& frame : std::span(frames_).first(count)) {
      const size_t at = datagram(frame.bytes());
      if (frame.size < at + kSmallestDatagram) continue;
      if (load_be32(frame.bytes(), at + kRunAt) != static_cast<uint32_t>(getpid())) continue;
      int64_t stamp = 0;
      std::memcpy(&stamp, frame.data + at + kStampAt, sizeof stamp);
      nanoseconds_.push_back(now - stamp);
    }
    socket_->release();
  }
  static size_t datagram(Bytes b) {  // where it begins, behind at most one outer header
    size_t at = kIpAt;
    for (int headers = 0; headers < 2 && at + 40 <= b.size(); ++headers) {
      const bool four = b[at] >> 4 == 4;
      const uint8_t next = b[at + (four ? 9 : 6)];
      at += ip_header_bytes(four ? Family::ipv4 : Family::ipv6);
      if (next == static_cast<uint8_t>(Protocol::udp)) break;
    }
    return at;
  }
  size_t arrived() const { return nanoseconds_.size(); }
  double microseconds(double part) {
    if (nanoseconds_.empty()) return 0;
    const auto at = static_cast<size_t>(part * static_cast<double>(nanoseconds_.size() - 1));
    std::nth_element(nanoseconds_.begin(), nanoseconds_.begin() + static_cast<ptrdiff_t>(at), nanoseconds_.end());
    return static_cast<double>(nanoseconds_[at]) / 1000;
  }

 private:
  std::unique_ptr<PacketSocket> socket_;
  std::array<Frame, 64> frames_{};
  std::vector<int64_t> nanoseconds_;
};

void one_at_a_time(Sender& sender, Receiver& receiver, int64_t end) {
  while (nanoseconds() < end) {
    const size_t before = receiver.arrived();
    sender.send(1);
    const int64_t patience = nanoseconds() + kPatience;
    while (receiver.arrived() == before && nanoseconds() < patience) receiver.drain();
  }
}

void paced(Sender& sender, Receiver* receiver, const Wanted& wanted, int64_t start) {
  const auto whole = static_cast<uint64_t>(wanted.in_order ? wanted.flows : wanted.rate * wanted.seconds);
  const auto end = start + static_cast<int64_t>(static_cast<double>(whole) / wanted.rate * kSecond * 1.02);
  while (sender.sent() < whole) {
    const int64_t now = nanoseconds();
    if (now > end && !wanted.in_order) break;  // this machine cannot send at this rate
    const auto due = static_cast<uint64_t>(static_cast<double>(now - start) * wanted.rate / kSecond);
    if (due > sender.sent()) sender.send(std::min<uint64_t>({due - sender.sent(), kBatch, whole - sender.sent()}));
    if (receiver != nullptr) receiver->drain();
  }
}

// Waits until nothing has arrived for a while.
void wait_for_the_last(const Place& to, Receiver* receiver) {
  const int64_t start = nanoseconds();
  int64_t quiet_since = start;
  uint64_t before = to.received();
  for (int64_t now = start; now - quiet_since < kQuiet && now - start < kLongestWait; now = nanoseconds()) {
    if (receiver != nullptr) {
      receiver->drain();
    } else {
      usleep(2000);
    }
    const uint64_t count = to.received();
    if (count != before) quiet_since = nanoseconds();
    before = count;
  }
}

int run(const Wanted& wanted) {
  const Place from(wanted.from, wanted.interface);
  Sender sender(wanted, from.ifindex());
  const Place to(wanted.to, wanted.interface);  // this thread stays in that namespace
  std::unique_ptr<Receiver> receiver;
  if (wanted.stamps || wanted.alone) receiver = std::make_unique<Receiver>(wanted, to.ifindex());
  const uint64_t before = to.received();
  const int64_t start = nanoseconds();
  if (wanted.alone) {
    one_at_a_time(sender, *receiver, start + static_cast<int64_t>(wanted.seconds * kSecond));
  } else {
    paced(sender, receiver.get(), wanted, start);
  }
  const double seconds = static_cast<double>(nanoseconds() - start) / kSecond;
  const uint64_t in_time = to.received() - before;
  wait_for_the_last(to, receiver.get());
  std::printf("sent=%llu received=%llu in_time=%llu seconds=%.6f", static_cast<unsigned long long>(sender.sent()),
              static_cast<unsigned long long>(to.received() - before), static_cast<unsigned long long>(in_time),
              seconds);
  if (receiver) {
    std::printf(" stamped=%zu p50=%.1f p99=%.1f p999=%.1f", receiver->arrived(), receiver->microseconds(0.5),
                receiver->microseconds(0.99), receiver->microseconds(0.999));
  }
  std::printf("\n");
  return 0;
}

constexpr char kUsage[] =
    "usage: bench-load FROM TO [rate=PACKETS/S] [seconds=S] [flows=N] [first=N] [size=BYTES] [to=ADDRESS] [port=N]\n"
    "                  [in-order] [stamps] [alone]\n"
    "Sends from eth0 of network namespace FROM, counts at eth0 of TO. in-order: each flow once.\n"
    "stamps: tells latencies. alone: one packet at a time.\n";

bool understand(const std::string& word, Wanted& wanted) {
  const size_t equals = std::min(word.find('='), word.size());
  const std::string key = word.substr(0, equals);
  const std::string value = word.substr(std::min(equals + 1, word.size()));
  const double number = std::strtod(value.c_str(), nullptr);
  if (key == "in-order") return wanted.in_order = true;
  if (key == "stamps") return wanted.stamps = true;
  if (key == "alone") return wanted.alone = true;
  if (key == "to") {
    const auto address = parse_ip(value);
    if (address) wanted.vip = *address;
    return address.has_value();
  }
  if (key == "rate") return (wanted.rate = number) > 0;
  if (key == "seconds") return (wanted.seconds = number) > 0;
  if (key == "flows") return (wanted.flows = static_cast<uint32_t>(number)) > 0 && wanted.flows <= kMostFlows;
  if (key == "first") return wanted.first = static_cast<uint32_t>(number), true;
  if (key == "size") return (wanted.size = static_cast<uint32_t>(number)) <= kLargest;
  if (key == "port") return wanted.port = Port(static_cast<uint16_t>(number)), true;
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  Wanted wanted;
  if (argc < 3) return std::fputs(kUsage, stderr), 2;
  wanted.from = argv[1], wanted.to = argv[2];
  for (int i = 3; i < argc; ++i) {
    if (!understand(argv[i], wanted)) return std::fprintf(stderr, "bench-load: what is %s?\n%s", argv[i], kUsage), 2;
  }
  const size_t least = wanted.udp_at() + kSmallestDatagram;
  if (wanted.size < least)
    return std::fprintf(stderr, "bench-load: size=%u, expected %zu at least\n", wanted.size, least), 2;
  return run(wanted);
}
