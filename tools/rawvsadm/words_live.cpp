// SPDX-License-Identifier: BSD-2-Clause
// words_live.cpp: explain, trace, capture: the decision about a given packet, and about packets as they arrive.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "end_signals.h"
#include "json.h"
#include "pcapng.h"
#include "table_names.h"
#include "texts.h"
#include "word_args.h"

namespace rawvs::adm {

namespace {

constexpr uint64_t kMostSnap = 8192, kTraceSnap = 14;  // trace shows the MAC addresses only
constexpr uint64_t kMostPackets = 1'000'000'000;

std::string clock_of(std::string_view time) {  // "1767225600.001" as 00:00:00.001, local time
  const size_t point = std::min(time.find('.'), time.size());
  const auto seconds = parse_number(time.substr(0, point), UINT32_MAX);
  if (!seconds) return std::string(time);
  constexpr size_t kDate = sizeof "2026-01-31";
  return clock_text(static_cast<time_t>(*seconds)).substr(kDate) + std::string(time.substr(point));
}

std::string frame_line(const Row& frame) {
  std::string out = std::string(frame.get("link")) + (frame.get("direction") == "in" ? " in:  " : " out: ") +
                    std::string(frame.tail("text"));
  const auto bytes = bytes_of_hex(frame.get("bytes"));
  Mac to, from;
  if (bytes.size() < to.bytes.size() + from.bytes.size()) return out;
  std::copy_n(bytes.begin(), to.bytes.size(), to.bytes.begin());
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(to.bytes.size()), from.bytes.size(), from.bytes.begin());
  return out + ", " + text(from) + " > " + text(to);
}

// A packet row and the frame rows that follow it.
class Packets {
 public:
  explicit Packets(std::function<void(const Rows&)> each) : each_(std::move(each)) {}
  void take(const Row& row) {
    if (row.word() == "packet") {
      rows_.assign(1, std::string(row.line()));
      frames_ = row.number("frames");
    } else if (row.word() == "frame" && frames_ > 0) {
      rows_.emplace_back(row.line());
      --frames_;
    } else {
      return;
    }
    if (frames_ > 0) return;
    ++count_;
    each_(rows_);
  }
  uint64_t count() const { return count_; }

 private:
  std::function<void(const Rows&)> each_;
  Rows rows_;
  uint64_t frames_ = 0, count_ = 0;
};

std::string lost_text(const Row& row) {
  return std::string(row.get("count")) + " packets are missing here: they came faster than they could be told\n";
}

Result<std::string> trace_command(const WordArgs& args, const Names& names, uint64_t snap) {
  const auto keys = flow_keys(args, names);
  if (!keys) return keys.error();
  const auto count = read_count(args, "count", 1, kMostPackets, 0);
  if (!count) return count.error();
  return "trace" + *keys + (*count == 0 ? "" : " count=" + std::to_string(*count)) + " snap=" + std::to_string(snap);
}

}  // namespace

std::string explain_text(const Rows& rows) {
  std::string out;
  size_t number = 0;
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() == "step") out += std::to_string(++number) + ". " + std::string(row.tail("text")) + '\n';
    if (row.word() == "verdict") out += std::string(number > 0 ? "\n" : "") + std::string(row.tail("text")) + '\n';
  }
  return out;
}

int explain_status(const Rows& rows) {
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() != "verdict") continue;
    return row.get("fate") == "forwarded" || row.get("fate") == "answered" ? 0 : kAnswerIsNo;
  }
  return kAnswerIsNo;
}

int explain_word(WordCall& call) {
  const auto args = read_args(call, {}, 2, 3);
  if (!args) return wrong(call, args.error().text);
  const auto protocol = read_protocol(args->plain.size() == 3 ? args->plain[2] : "tcp");
  if (!protocol) return wrong(call, protocol.error().text);
  const auto client = read_endpoint(args->plain[0], *protocol, call.names, true);
  if (!client) return wrong(call, at("CLIENT:PORT", client.error()).text);
  std::string typed = args->plain[1];
  if (may_be_name(typed)) {
    Rows table;
    if (const Status status = ask(call, "list", table)) return *status;
    if (const auto done = vip_of(TableNames(table), typed); !done) {
      return wrong(call, at("VIP:PORT", done.error()).text);
    }
  }
  const auto vip = read_endpoint(typed, *protocol, call.names, true);
  if (!vip) return wrong(call, at("VIP:PORT", vip.error()).text);
  Rows rows;
  const std::string command =
      std::string("explain protocol=") + name(*protocol) + " client=" + *client + " virtual=" + *vip;
  if (const Status status = ask(call, command, rows)) return *status;
  print(call.json ? json_of(rows, {"step"}).line() : explain_text(rows));
  return explain_status(rows);
}

std::string packet_text(const Rows& rows) {
  const Row packet(rows.front());
  std::string out = clock_of(packet.get("time")) + ' ';
  out += rows.size() > 1 ? frame_line(Row(rows[1])) : std::string(packet.get("link")) + " in";
  out += "\n    " + std::string(packet.tail("text")) + '\n';
  for (size_t i = 2; i < rows.size(); ++i) out += "    " + frame_line(Row(rows[i])) + '\n';
  return out;
}

std::vector<uint8_t> bytes_of_hex(std::string_view hex) {
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  std::vector<uint8_t> out;
  out.reserve(hex.size() / 2);
  for (size_t at = 0; at + 1 < hex.size(); at += 2) {
    const int high = digit(hex[at]), low = digit(hex[at + 1]);
    if (high < 0 || low < 0) break;
    out.push_back(static_cast<uint8_t>(high << 4 | low));
  }
  return out;
}

int trace_word(WordCall& call) {
  const EndSignals signals;
  auto args = read_args(call, {kClientFilter, kVipFilter, kServerFilter, kProtocolFilter, WordOption{"count"}});
  if (!args) return wrong(call, args.error().text);
  if (const auto done = put_addresses(call, *args); !done) return wrong(call, done.error().text);
  const auto command = trace_command(*args, call.names, kTraceSnap);
  if (!command) return wrong(call, command.error().text);
  Packets packets([&](const Rows& rows) {
    if (!call.json) return print(packet_text(rows));
    Json packet = Json::of(Row(rows.front()));
    Json frames = Json::list();
    for (size_t i = 1; i < rows.size(); ++i) frames.add(Json::of(Row(rows[i])));
    print(Json::object().set("packet", packet.set("frames", frames)).line());
  });
  const Status status = ask(
      call, *command,
      [&](const Row& row) {
        packets.take(row);
        if (row.word() != "lost") return;
        print(call.json ? Json::object().set("lost", Json::of(row)).line() : lost_text(row));
      },
      signals.fd());
  return status.value_or(0);
}

namespace {

// One packet's frames as blocks of the file: the received one, then those that left, each with its comment.
std::string blocks_of(const Rows& rows, Pcapng& file) {
  const Row packet(rows.front());
  std::string out;
  for (size_t i = 1; i < rows.size(); ++i) {
    const Row frame(rows[i]);
    const bool in = frame.get("direction") == "in";
    const std::string comment = (in ? "in: " : "out: ") + std::string(packet.tail("text"));
    const auto bytes = bytes_of_hex(frame.get("bytes"));
    out += file.frame({.time_ms = milliseconds(packet.get("time")),
                       .link = std::string(frame.get("link")),
                       .incoming = in,
                       .size = static_cast<uint32_t>(frame.number("size")),
                       .bytes = bytes,
                       .comment = comment});
  }
  return out;
}

struct CloseFile {
  void operator()(FILE* file) const {
    if (file != stdout) std::fclose(file);
  }
};

}  // namespace

int capture_word(WordCall& call) {
  const EndSignals signals;
  auto args = read_args(
      call, {kClientFilter, kVipFilter, kServerFilter, kProtocolFilter, WordOption{"count"}, WordOption{"snap"}}, 1, 1);
  if (!args) return wrong(call, args.error().text);
  if (const auto done = put_addresses(call, *args); !done) return wrong(call, done.error().text);
  const auto snap = read_count(*args, "snap", 14, kMostSnap, kMostSnap);
  if (!snap) return wrong(call, snap.error().text);
  const auto command = trace_command(*args, call.names, *snap);
  if (!command) return wrong(call, command.error().text);
  // Opens the file only when rawvsd answers: an earlier capture is not lost for nothing.
  if (const Status status = ask(call, "timeouts", [](const Row&) {})) return *status;
  const std::string& path = args->plain[0];
  const std::unique_ptr<FILE, CloseFile> file(path == "-" ? stdout : std::fopen(path.c_str(), "wbe"));
  bool whole = file != nullptr;
  const auto write = [&](const std::string& blocks) {  // at once: a reader of the file finds whole packets
    whole = whole && std::fwrite(blocks.data(), 1, blocks.size(), file.get()) == blocks.size() &&
            std::fflush(file.get()) == 0;
    if (!whole) std::exit(wrong(call, path + ": " + std::strerror(errno)));
  };
  if (!whole) return wrong(call, path + ": " + std::strerror(errno));
  Pcapng pcapng(static_cast<uint32_t>(*snap));
  write(pcapng.head());
  Packets packets([&](const Rows& rows) { write(blocks_of(rows, pcapng)); });
  uint64_t lost = 0;
  const Status status = ask(
      call, *command,
      [&](const Row& row) {
        packets.take(row);
        if (row.word() != "lost") return;
        lost += row.number("count");
        std::fprintf(stderr, "rawvsadm: capture: %s", lost_text(row).c_str());
      },
      signals.fd());
  if (status) return *status;
  const std::string told = std::to_string(packets.count()) + " packets, before and after: " + path + '\n';
  FILE* const to = path == "-" ? stderr : stdout;
  std::fputs(call.json ? Json::object()
                             .set("file", Json::text(path))
                             .set("packets", Json::number(packets.count()))
                             .set("lost", Json::number(lost))
                             .line()
                             .c_str()
                       : told.c_str(),
             to);
  return 0;
}

}  // namespace rawvs::adm
