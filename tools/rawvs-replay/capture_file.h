// SPDX-License-Identifier: BSD-2-Clause
// capture_file.h: reads and writes capture files with libpcap, and small text files.
//
// libpcap reads either byte order, nanoseconds and pcapng; written are pcap files, Ethernet, microseconds. "-" is
// standard input or output. Every error names the file.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "replay.h"

struct pcap;
struct pcap_dumper;

namespace rawvs::replay {

class CaptureReader {
 public:
  static Result<CaptureReader> open(const std::string& path);
  Result<bool> next(Captured& out);            // false: the capture has ended
  uint64_t frames() const { return frames_; }  // read so far
  const std::string& name() const { return name_; }

 private:
  struct Close {
    void operator()(pcap* p) const;
  };
  CaptureReader(std::string name, std::unique_ptr<pcap, Close> pcap) : name_(std::move(name)), pcap_(std::move(pcap)) {}
  std::string name_;
  std::unique_ptr<pcap, Close> pcap_;
  uint64_t frames_ = 0;
};

class CaptureWriter {
 public:
  static Result<CaptureWriter> create(const std::string& path);
  void write(Stamp time, Bytes frame);
  Result<Done> finish();  // an error if not everything was written

 private:
  struct Close {
    void operator()(pcap* p) const;
    void operator()(pcap_dumper* p) const;
  };
  CaptureWriter() = default;
  std::string name_;
  std::unique_ptr<pcap, Close> format_;
  std::unique_ptr<pcap_dumper, Close> file_;
};

Result<std::string> read_text(const std::string& path);  // at most 1 MB
Result<Done> write_text(const std::string& path, const std::string& text);

}  // namespace rawvs::replay
