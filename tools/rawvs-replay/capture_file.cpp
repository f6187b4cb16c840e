// SPDX-License-Identifier: BSD-2-Clause
// capture_file.cpp: libpcap's files with RAII, and its messages with the file's name.
#include "capture_file.h"

#include <pcap/pcap.h>

#include <cerrno>
#include <cstring>

namespace rawvs::replay {

namespace {

constexpr int kSnapLength = 262144;          // libpcap's own limit for Ethernet
constexpr int64_t kLastSecond = 0xffffffff;  // the latest second of the classic format
constexpr size_t kTextMost = 1024 * 1024;

struct CloseFile {
  void operator()(std::FILE* f) const { std::fclose(f); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

Error failed(const std::string& path) { return Error{path + ": " + std::strerror(errno)}; }

std::string title(const std::string& path, const char* standard) { return path == "-" ? standard : path; }

}  // namespace

void CaptureReader::Close::operator()(pcap* p) const { pcap_close(p); }
void CaptureWriter::Close::operator()(pcap* p) const { pcap_close(p); }
void CaptureWriter::Close::operator()(pcap_dumper* p) const { pcap_dump_close(p); }

Result<CaptureReader> CaptureReader::open(const std::string& path) {
  const std::string name = title(path, "standard input");
  std::FILE* const file = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  if (!file) return failed(name);
  char why[PCAP_ERRBUF_SIZE] = "";
  std::unique_ptr<pcap, Close> pcap(pcap_fopen_offline(file, why));  // takes over the file and closes it
  if (!pcap) {
    if (file != stdin) std::fclose(file);
    return Error{name + ": not a capture file (pcap or pcapng): " + why};
  }
  if (const int type = pcap_datalink(pcap.get()); type != DLT_EN10MB) {
    const char* const word = pcap_datalink_val_to_name(type);
    return Error{name + ": link type " + (word ? word : std::to_string(type)) + ": expected EN10MB (Ethernet)"};
  }
  return CaptureReader(name, std::move(pcap));
}

Result<bool> CaptureReader::next(Captured& out) {
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  const int got = pcap_next_ex(pcap_.get(), &header, &bytes);
  if (got == PCAP_ERROR_BREAK) return false;
  if (got != 1) {
    return Error{name_ + ": behind frame " + std::to_string(frames_) + ": " + pcap_geterr(pcap_.get()) +
                 "; what follows is missing"};
  }
  ++frames_;
  if (header->ts.tv_sec < 0 || header->ts.tv_sec > kLastSecond) {
    return Error{name_ + ": frame " + std::to_string(frames_) + ": its time is " + std::to_string(header->ts.tv_sec) +
                 " s since 1970: expected a time that can be right"};
  }
  out.time = std::chrono::seconds(header->ts.tv_sec) + Stamp(header->ts.tv_usec);
  out.bytes.assign(bytes, bytes + header->caplen);
  return true;
}

Result<CaptureWriter> CaptureWriter::create(const std::string& path) {
  CaptureWriter writer;
  writer.name_ = title(path, "standard output");
  writer.format_.reset(pcap_open_dead(DLT_EN10MB, kSnapLength));
  if (!writer.format_) return Error{writer.name_ + ": out of memory"};
  std::FILE* const file = path == "-" ? stdout : std::fopen(path.c_str(), "wb");
  if (!file) return failed(writer.name_);
  writer.file_.reset(pcap_dump_fopen(writer.format_.get(), file));
  if (!writer.file_) return Error{writer.name_ + ": " + pcap_geterr(writer.format_.get())};
  return writer;
}

void CaptureWriter::write(Stamp time, Bytes frame) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  pcap_pkthdr header{};
  header.ts.tv_sec = static_cast<decltype(header.ts.tv_sec)>(whole.count());
  header.ts.tv_usec = static_cast<decltype(header.ts.tv_usec)>((time - whole).count());
  header.caplen = header.len = static_cast<bpf_u_int32>(frame.size());
  pcap_dump(reinterpret_cast<u_char*>(file_.get()), &header, frame.data());
}

Result<Done> CaptureWriter::finish() {
  const bool flushed = pcap_dump_flush(file_.get()) == 0;
  if (!flushed || std::ferror(pcap_dump_file(file_.get())) != 0) return failed(name_);
  return Done{};
}

Result<std::string> read_text(const std::string& path) {
  const File file(std::fopen(path.c_str(), "rb"));
  if (!file) return failed(path);
  std::string text(kTextMost + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return failed(path);
  if (text.size() > kTextMost) return Error{path + ": larger than 1 MB: expected a text file"};
  return text;
}

Result<Done> write_text(const std::string& path, const std::string& text) {
  File own;
  if (path != "-") {
    own.reset(std::fopen(path.c_str(), "wb"));
    if (!own) return failed(path);
  }
  std::FILE* const file = own ? own.get() : stdout;
  if (std::fwrite(text.data(), 1, text.size(), file) != text.size() || std::fflush(file) != 0) {
    return failed(title(path, "standard output"));
  }
  return Done{};
}

}  // namespace rawvs::replay
