# SPDX-License-Identifier: BSD-2-Clause
# Plain GNU make. `make help` lists the targets; CXX, CXXFLAGS, PKG_CONFIG, DESTDIR and prefix work as everywhere.

CXX        ?= g++
PKG_CONFIG ?= pkg-config
DESTDIR    ?=
prefix     ?= /usr/local
bindir     ?= $(prefix)/bin
sbindir    ?= $(prefix)/sbin
datadir    ?= $(prefix)/share
mandir     ?= $(datadir)/man
docdir     ?= $(datadir)/doc/rawvs
completiondir ?= $(datadir)/bash-completion/completions
sysconfdir ?= /etc

BUILD      ?= build
SANITIZE   ?=
# DEBUG=1: with debugging information; compiling takes half as long again.
DEBUG      ?= 0
OPTIMIZE   ?= -O2$(if $(filter-out 0,$(DEBUG)), -g)
# UNITY=0: compiles every file by itself.
UNITY      ?= 1
# -Werror in our own checks (asan, lint) only: a newer compiler's warning must not stop a build.
WERROR     ?=

WARNINGS   := -Wall -Wextra -Wshadow -Wconversion -Wpedantic -Wnon-virtual-dtor $(WERROR)
CXXFLAGS   ?= $(OPTIMIZE)
STD        := -std=c++20
# The programs neither throw nor use run-time type information; the tests need gtest's exceptions. Unwind tables are
# left out, since nothing unwinds the stack.
LEAN       := -fno-exceptions -fno-rtti -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections \
              -fstack-protector-strong
OWN         = $(LEAN)
# Link-time optimisation makes the programs a tenth smaller; not with sanitizers. Objects also hold plain code (fat) for
# the tests, which are linked without it. LTO=no: without it.
LTO        ?= $(if $(SANITIZE),no,yes)
ifeq ($(LTO),yes)
LEAN       += -flto=auto -ffat-lto-objects
endif
# One short line per step; make V=1 shows the commands.
V          ?= 0
SHOW        = $(if $(filter 0,$(V)),@echo "  $(1)" && )
COMPILE     = $(call SHOW,CXX  $<)$(CXX) $(STD) $(WARNINGS) $(CPPFLAGS) $(CXXFLAGS) $(SANITIZE) -Iinclude -Isrc -I. -MMD -MP -c

# AF_XDP (io = xdp) is built in if libxdp and libbpf are installed. XDP=no: without it.
XDP        ?= $(if $(shell $(PKG_CONFIG) --exists libxdp libbpf 2>/dev/null && echo yes),yes,no)

# The fast path's program is for the kernel: clang compiles it, bpftool makes a header of it, libbpf loads it. Without
# one of them, or with FAST=no, the build is without it.
BPFTOOL    ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/bin/bpftool /sbin/bpftool))
BPF_CLANG  ?= $(shell command -v clang 2>/dev/null)
FAST       ?= $(if $(and $(BPFTOOL),$(BPF_CLANG),$(shell $(PKG_CONFIG) --exists libbpf 2>/dev/null && echo yes)),yes,no)

# The list of allowed system calls (seccomp) is built in if libseccomp is installed; not with sanitizers, which make
# others. SECCOMP=no: without it.
SECCOMP    ?= $(if $(SANITIZE),no,$(if $(shell $(PKG_CONFIG) --exists libseccomp 2>/dev/null && echo yes),yes,no))

# rawvs-web is built if libmicrohttpd is installed. WEB=no: without it.
WEB        ?= $(if $(shell $(PKG_CONFIG) --exists libmicrohttpd 2>/dev/null && echo yes),yes,no)

# Without -j: as many jobs as there are processors. Asks the system for the command line, which make 4.3 does not know
# before it has read this file. Most goals run one after the other: one may remove what another makes, and those that
# set up first call make for the same files.
ifeq ($(MAKELEVEL)$(filter -j% --jobserver%,$(MAKEFLAGS)),0)
TYPED      := $(shell tr '\0' '\n' </proc/$$PPID/cmdline 2>/dev/null | grep -E '^(-[A-Za-z]*j|--jobs)')
MAKEFLAGS  += $(if $(TYPED),,-j$(or $(shell nproc 2>/dev/null),1))
endif
ifneq ($(filter-out 0 1,$(words $(MAKECMDGOALS))),)
ifneq ($(filter-out all $(BUILD)/%,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif
endif

# A module is a folder. Only files in src/sys/ make system calls. A main.cpp belongs to its program.
sources     = $(sort $(shell find $(1) -name '*.cpp'))
LIB_SRC    := $(filter-out src/main.cpp src/no_exceptions.cpp,$(call sources,src))
LEFT_OUT   := $(if $(filter yes,$(XDP)),,src/sys/io/xdp_%) $(if $(filter yes,$(FAST)),,src/sys/io/fast_path%)
SYS_SRC    := $(filter-out $(LEFT_OUT),$(filter src/sys/%,$(LIB_SRC)))
PURE_SRC   := $(filter-out src/sys/%,$(LIB_SRC))
ADM_SRC    := $(filter-out %/main.cpp,$(call sources,tools/rawvsadm tools/metrics))
HELPER_SRC := $(filter-out %/main.cpp,$(call sources,tools/rawvs-helper))
REPLAY_SRC := $(filter-out %/main.cpp,$(call sources,tools/rawvs-replay))
WEB_SRC    := $(filter-out %/main.cpp,$(if $(filter yes,$(WEB)),$(call sources,tools/rawvs-web)))
TEST_SRC   := $(filter-out $(if $(filter yes,$(WEB)),,tests/web_%) $(if $(filter yes,$(FAST)),,tests/fast_path_%),$(wildcard tests/*.cpp))
FUZZ_SRC   := $(wildcard tests/fuzz/*.cpp)
FUZZ_SHARED := tests/fuzz/packets.cpp

# Files that every packet passes are optimised for speed, and listed here; all others for size. Not if OPTIMIZE is
# given.
HOT        := $(addprefix src/wire/,checksum.cpp crc32c.cpp discovery.cpp ipv6_header.cpp packet.cpp split.cpp \
                tcp_options.cpp tcp_segment.cpp) \
              $(addprefix src/core/,connection.cpp connection_wheel.cpp proof.cpp rewrite.cpp scheduler.cpp sctp_state.cpp \
                sync.cpp syn_cookie.cpp syn_proxy.cpp tcp_numbers.cpp tcp_state.cpp track.cpp traffic.cpp tunnel.cpp unproven.cpp) \
              $(addprefix src/director/,classify.cpp departure.cpp director.cpp flows.cpp flows_begin.cpp flows_room.cpp forwarder.cpp handshakes.cpp) \
              $(addprefix src/sys/io/,link_send.cpp packet_socket.cpp xdp_checksum.cpp xdp_io.cpp) \
              $(addprefix src/sys/engine/,engine.cpp frame_exchange.cpp poller.cpp) src/sys/guard/flow_map.cpp src/sys/net/host_route.cpp
$(foreach file,$(HOT),$(if $(wildcard $(file)),,$(error there is no $(file): name its new place in HOT)))

# Up to eight files of a module are compiled together, as a unit: a file in BUILD/unit/ that includes them. Parsing
# headers is most of a compiler's work. Tests are grouped by the first word of their names. ALONE: files whose names
# collide with those of other files in the unit. filter_program.cpp needs pcap's struct bpf_insn, which the kernel's
# excludes.
ALONE      := $(if $(filter 0,$(UNITY)),%,config_ipv6_test.cpp config_keys%.cpp connection_wide_test.cpp \
                fast_path.cpp fast_path_director_test.cpp fast_path_test.cpp filter_program.cpp \
                ftp_director_test.cpp ipv6_icmp_test.cpp ipv6_segment_test.cpp loss_log.cpp netlink.cpp \
                options.cpp root_guard_ipv6_test.cpp sctp_state.cpp service_family_test.cpp \
                slow_start_test.cpp split.cpp state_family_test.cpp)
object      = $(1:%.cpp=$(BUILD)/obj/%.o)
folder      = $(subst /,-,$(patsubst %/,%,$(dir $(1))))
first_word  = $(firstword $(subst _, ,$(basename $(notdir $(1)))))
group       = $(if $(filter tests/%,$(1)),tests-$(first_word),$(if $(filter $(HOT),$(1)),hot-)$(folder))
grouped     = $(foreach file,$(2),$(if $(filter $(1),$(call group,$(file))),$(file)))
define unit
UNITS += $(BUILD)/unit/$(1).cpp
$(BUILD)/unit/$(1).cpp: INCLUDED := $(2)
endef
# GROUP, FILES, a word for each unit that this group has already: makes the units, and returns their objects' names.
eights      = $(if $(2),$(eval $(call unit,$(1)-$(words $(3)),$(wordlist 1,8,$(2)))) $(BUILD)/obj/unit/$(1)-$(words $(3)).o \
                $(call eights,$(1),$(wordlist 9,$(words $(2)),$(2)),$(3) x))
groups      = $(sort $(foreach file,$(1),$(call group,$(file))))
together    = $(foreach one,$(groups),$(call eights,$(one),$(call grouped,$(one),$(1)),x))
alone_of    = $(foreach file,$(1),$(if $(filter $(ALONE),$(notdir $(file))),$(file)))
objects     = $(call object,$(alone_of)) $(call together,$(filter-out $(alone_of),$(1)))

PURE_OBJ   := $(call objects,$(PURE_SRC))
SYS_OBJ    := $(call objects,$(SYS_SRC))
ADM_OBJ    := $(call objects,$(ADM_SRC))
HELPER_OBJ := $(call objects,$(HELPER_SRC))
REPLAY_OBJ := $(call objects,$(REPLAY_SRC))
WEB_OBJ    := $(call objects,$(WEB_SRC))
TEST_OBJ   := $(call objects,$(TEST_SRC))
# no_exceptions.cpp not with sanitizers, which have their own allocation.
DAEMON_OBJ := $(call object,src/main.cpp $(if $(SANITIZE),,src/no_exceptions.cpp))
ADM_MAIN   := $(call object,tools/rawvsadm/main.cpp)
HELPER_MAIN := $(call object,tools/rawvs-helper/main.cpp)
REPLAY_MAIN := $(call object,tools/rawvs-replay/main.cpp)
WEB_MAIN   := $(call object,tools/rawvs-web/main.cpp)
PROGRAM_OBJ := $(DAEMON_OBJ) $(PURE_OBJ) $(SYS_OBJ) $(ADM_MAIN) $(ADM_OBJ) $(HELPER_MAIN) $(HELPER_OBJ) \
               $(REPLAY_MAIN) $(REPLAY_OBJ) $(if $(filter yes,$(WEB)),$(WEB_MAIN) $(WEB_OBJ))

# pkg-config's output; the plain name of a library that it does not know (before set-up, or libnet, which has no .pc
# file).
flags       = $(or $(shell $(PKG_CONFIG) $(1) 2>/dev/null),$(2))
override CPPFLAGS := $(CPPFLAGS) $(call flags,--cflags libpcap libmnl nettle inih popt json-c libcap-ng)
ifeq ($(XDP),yes)
override CPPFLAGS += -DRAWVS_XDP $(call flags,--cflags libxdp libbpf)
LIBS_XDP   := $(call flags,--libs libxdp libbpf)
endif
ifeq ($(FAST),yes)
override CPPFLAGS += -DRAWVS_FAST $(call flags,--cflags libbpf)
LIB_FAST   := $(call flags,--libs libbpf,-lbpf)
endif
ifeq ($(SECCOMP),yes)
override CPPFLAGS += -DRAWVS_SECCOMP $(call flags,--cflags libseccomp)
LIB_SECCOMP := $(call flags,--libs libseccomp,-lseccomp)
endif
ifeq ($(WEB),yes)
override CPPFLAGS += $(call flags,--cflags libmicrohttpd)
LIBS_WEB   := $(call flags,--libs libmicrohttpd,-lmicrohttpd) -lcrypt
endif
LIB_PCAP   := $(call flags,--libs libpcap,-lpcap)
LIBS_PURE  := -lnet $(call flags,--libs inih,-linih)
LIB_CAP_NG := $(call flags,--libs libcap-ng,-lcap-ng)
LIBS_SYS   := $(LIB_PCAP) $(call flags,--libs libmnl,-lmnl) $(call flags,--libs nettle,-lnettle) $(LIB_CAP_NG) $(LIB_SECCOMP) $(LIBS_XDP) $(LIB_FAST)
LIBS_ADM   := $(call flags,--libs popt,-lpopt) $(call flags,--libs json-c,-ljson-c)
# Routers have no libstdc++: it is linked statically, except with sanitizers.
LINK_LEAN  := $(if $(SANITIZE),,-static-libstdc++ -static-libgcc -Wl,--gc-sections -Wl,--as-needed)
# Compact relative relocations (glibc 2.36, musl 1.2.4). RELR=no: for older C libraries. A sanitizer's many relocations
# take ld 15 GB of memory then, on the way to a layout that does not change.
RELR       ?= $(if $(shell $(CXX) -Wl,--help 2>/dev/null | grep pack-relative-relocs),yes,no)
ifeq ($(RELR)$(SANITIZE),yes)
LINK_LEAN  += -Wl,-z,pack-relative-relocs
endif
# In one part: what the program has twice is seen and kept once, which the link takes no longer for on two processors.
ifeq ($(LTO),yes)
LINK_LEAN  += -flto=auto -flto-partition=one
endif

PROGRAMS   := $(BUILD)/rawvsd $(BUILD)/rawvs-helper $(BUILD)/rawvsadm $(BUILD)/rawvs-replay $(if $(filter yes,$(WEB)),$(BUILD)/rawvs-web)

all: $(PROGRAMS)  ## build the programs (build/)

$(BUILD)/rawvsd: $(DAEMON_OBJ) $(PURE_OBJ) $(SYS_OBJ)
	$(call SHOW,LD   $@)$(CXX) $(CXXFLAGS) $(SANITIZE) $(LDFLAGS) $(LINK_LEAN) -o $@ $^ $(LIBS_PURE) $(LIBS_SYS)

# rawvsadm contains the daemon's configuration reader; from an archive the linker takes only what is needed.
$(BUILD)/modules.a: $(PURE_OBJ) $(SYS_OBJ)
	$(call SHOW,AR   $@)rm -f $@ && $(AR) crs $@ $^

$(BUILD)/rawvsadm: $(ADM_MAIN) $(ADM_OBJ) $(BUILD)/modules.a
	$(call SHOW,LD   $@)$(CXX) $(CXXFLAGS) $(SANITIZE) $(LDFLAGS) $(LINK_LEAN) -o $@ $^ $(LIBS_ADM) $(LIBS_PURE) $(if $(SANITIZE),$(LIBS_SYS))

# As rawvsadm, it contains the configuration reader.
$(BUILD)/rawvs-helper: $(HELPER_MAIN) $(HELPER_OBJ) $(BUILD)/modules.a
	$(call SHOW,LD   $@)$(CXX) $(CXXFLAGS) $(SANITIZE) $(LDFLAGS) $(LINK_LEAN) -o $@ $^ $(LIBS_PURE) $(LIBS_SYS)

$(BUILD)/rawvs-replay: $(REPLAY_MAIN) $(REPLAY_OBJ) $(PURE_OBJ)
	$(call SHOW,LD   $@)$(CXX) $(CXXFLAGS) $(SANITIZE) $(LDFLAGS) $(LINK_LEAN) -o $@ $^ $(LIBS_PURE) $(LIB_PCAP)

# It shares rawvsadm's client, JSON, metrics and texts.
$(BUILD)/rawvs-web: $(WEB_MAIN) $(WEB_OBJ) $(ADM_OBJ) $(BUILD)/modules.a
	$(call SHOW,LD   $@)$(CXX) $(CXXFLAGS) $(SANITIZE) $(LDFLAGS) $(LINK_LEAN) -o $@ $^ $(LIBS_WEB) $(LIBS_ADM) $(LIBS_PURE) $(LIBS_SYS) -lpthread

# The unit tests link the same objects as the programs.
$(BUILD)/unit-tests: $(TEST_OBJ) $(PURE_OBJ) $(SYS_OBJ) $(ADM_OBJ) $(HELPER_OBJ) $(REPLAY_OBJ) $(WEB_OBJ)
	$(call SHOW,LD   $@)$(CXX) $(CXXFLAGS) $(SANITIZE) $(LDFLAGS) $(if $(filter yes,$(LTO)),-fno-lto) -o $@ $^ $(LIBS_PURE) $(LIBS_SYS) $(LIBS_ADM) $(LIBS_WEB) -lgtest -lgtest_main -lpthread

$(filter-out $(BUILD)/obj/unit/hot-% $(call object,$(HOT)),$(PROGRAM_OBJ)): CXXFLAGS += $(if $(filter -O2,$(OPTIMIZE)),-Oz)
# Tests are compiled more often than run, but unoptimised ones would run too long.
$(TEST_OBJ): CXXFLAGS += $(if $(filter -O2,$(OPTIMIZE)),-O1)
$(TEST_OBJ): OWN := -Itests

# Fuzz targets: a program for each file. They need clang: make fuzz builds them, in a folder of its own.
FUZZ_TARGETS := $(patsubst tests/fuzz/%.cpp,$(BUILD)/fuzz/%,$(filter-out $(FUZZ_SHARED),$(FUZZ_SRC)))
$(BUILD)/fuzz.a: $(PURE_OBJ) $(SYS_OBJ) $(ADM_OBJ) $(REPLAY_OBJ) $(call object,$(FUZZ_SHARED) tests/frames.cpp)
	$(call SHOW,AR   $@)rm -f $@ && $(AR) crs $@ $^
$(FUZZ_TARGETS): $(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/fuzz.a
	@mkdir -p $(@D)
	$(call SHOW,LD   $@)$(CXX) $(CXXFLAGS) $(SANITIZE) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(LIBS_PURE) $(LIBS_SYS) $(LIBS_ADM)
$(call object,$(FUZZ_SRC)): OWN := -Itests

# A unit is written again when its list of files changes.
$(UNITS): FORCE
	@mkdir -p $(@D)
	@printf '#include "%s"\n' $(INCLUDED) | cmp -s - $@ || printf '#include "%s"\n' $(INCLUDED) >$@
FORCE:

# A class Impl may have members of its file's unnamed namespace: no other file sees it.
$(BUILD)/obj/unit/%.o: $(BUILD)/unit/%.cpp
	@mkdir -p $(@D)
	$(COMPILE) $(if $(findstring clang,$(CXX)),,-Wno-subobject-linkage) $(OWN) -o $@ $<

$(BUILD)/obj/%.o: %.cpp
	@mkdir -p $(@D)
	$(COMPILE) $(OWN) -o $@ $<

# The fast path's program, and the header that holds it. What only debuggers read is left out of it.
FAST_BPF   := $(BUILD)/bpf/fast_path.bpf.o
FAST_SKEL  := $(BUILD)/bpf/fast_path.skel.h
$(FAST_BPF): src/sys/io/fast_path.bpf.c src/core/fast_layout.h
	@mkdir -p $(@D)
	$(call SHOW,BPF  $<)$(BPF_CLANG) -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Isrc $(BPF_HEADERS) -c -o $@.full $<
	@$(BPFTOOL) gen object $@ $@.full
$(FAST_SKEL): $(FAST_BPF)
	$(call SHOW,SKEL $<)$(BPFTOOL) gen skeleton $< name fast_path_bpf >$@.new && mv $@.new $@
# <linux/types.h> needs <asm/types.h>, which lies with the host's other headers on Debian.
BPF_HEADERS := $(patsubst %,-I/usr/include/%,$(shell $(CXX) -print-multiarch 2>/dev/null))
FAST_USERS := $(BUILD)/obj/src/sys/io/fast_path.o $(BUILD)/alone/src/sys/io/fast_path.ok $(BUILD)/tidy/src/sys/io/fast_path.ok
$(FAST_USERS): $(FAST_SKEL)
$(FAST_USERS): override CPPFLAGS += -isystem $(BUILD)/bpf

# Rebuild these objects when XDP=, FAST= or SECCOMP= changes.
WITH       := $(BUILD)/with-$(XDP)-$(FAST)-$(SECCOMP)
$(WITH):
	@mkdir -p $(@D)
	@rm -f $(BUILD)/with-*
	@touch $@
$(PROGRAM_OBJ): $(WITH)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# Checks that each file compiles without the files before it in its unit.
ALONE_OK   := $(patsubst %.cpp,$(BUILD)/alone/%.ok,$(sort $(PURE_SRC) $(SYS_SRC) $(ADM_SRC) $(HELPER_SRC) $(REPLAY_SRC) $(WEB_SRC) $(TEST_SRC)))
alone: setup-test  ## check the syntax of each file by itself; the build compiles eight at a time
	@$(MAKE) --no-print-directory $(ALONE_OK)
$(BUILD)/alone/%.ok: %.cpp
	@mkdir -p $(@D)
	$(COMPILE) $(if $(filter tests/%,$<),-Itests,$(LEAN)) -fsyntax-only -MF $(@:.ok=.d) -MT $@ $<
	@touch $@
-include $(shell find $(BUILD)/alone -name '*.d' 2>/dev/null)

# clang-tidy on each unit, and by itself on what is in none: it, too, is busy with headers most of the time. Its analyzer
# takes what a file includes for a header, and leaves it out, but for a .cpp where the file has "UnifiedSource" in its name.
# The analyzer leaves the tests alone: it spends three quarters of its time in gtest's macros, and the tests run under the
# sanitizers. Lists of long texts look like missing commas there, and a vector that grows costs nothing that matters.
# Prints the lines that name a place; the rest repeats the source.
comma := ,
TIDY_LESS   = -clang-analyzer-*$(comma)-bugprone-suspicious-missing-comma$(comma)-performance-inefficient-vector-operation
TIDY_OK    := $(patsubst $(BUILD)/obj/%.o,$(BUILD)/tidy/%.ok,$(PROGRAM_OBJ) $(TEST_OBJ) $(call object,$(wildcard tools/*.cpp)))
TIDY_FLAGS  = $(STD) $(CPPFLAGS) -Iinclude -Isrc -I. $(if $(filter tests-% tests/%,$*),-Itests,-fno-exceptions -fno-rtti)
TIDY_CHECKS = $(if $(filter tests-% tests/%,$*),--checks=$(TIDY_LESS))
TIDY        = @echo "  TIDY $<" >&2 && $(CXX) $(TIDY_FLAGS) -MM -MP -MT $@ -MF $(@:.ok=.d) $< && \
  if clang-tidy --quiet --config-file=.clang-tidy $(TIDY_CHECKS) $(1) -- $(TIDY_FLAGS) >$(@:.ok=.said) 2>&1; then touch $@; \
  else grep -E ': (warning|error):' $(@:.ok=.said) || echo "$<: clang-tidy failed: see $(@:.ok=.said)"; exit 1; fi
tidy: setup-lint
	@$(MAKE) --no-print-directory --keep-going --output-sync $(TIDY_OK)
$(BUILD)/tidy/unit/%.ok: $(BUILD)/unit/%.cpp .clang-tidy
	@mkdir -p $(@D)
	@sed 's|$$|  // NOLINT(bugprone-suspicious-include)|' $< >$(@D)/UnifiedSource-$*.cpp
	$(call TIDY,$(@D)/UnifiedSource-$*.cpp)
$(BUILD)/tidy/%.ok: %.cpp .clang-tidy
	@mkdir -p $(@D)
	$(call TIDY,$<)
-include $(shell find $(BUILD)/tidy -name '*.d' 2>/dev/null)

PURE_MODULES := $(PURE_OBJ)
SCRIPTS    := tools/setup tools/check-layers tests/run tests/fuzz/run .ci/run
CXX_FILES  := $(wildcard src/*.cpp src/*/*.cpp src/*/*.h src/*/*/*.cpp src/*/*/*.h include/rawvs/*.h tools/*/*.cpp tools/*/*.h tools/*.cpp tests/*.cpp tests/*.h tests/*/*.h tests/*/*.cpp)

setup-build:
	@tools/setup build
setup-demo:
	@tools/setup demo
setup-test:
	@tools/setup test
setup-bench:
	@tools/setup bench
setup-fuzz:
	@tools/setup fuzz
setup-lint:
	@tools/setup lint
setup-record:
	@tools/setup record
setup-deb:
	@tools/setup deb

# Each of these sets up first, and builds with what was installed: hence make within make.
demo: setup-demo  ## the main job on real packets: network namespaces, two servers, 100 requests (root)
	@$(MAKE) --no-print-directory all
	@RAWVS_BIN=$(BUILD) tools/demo

test: setup-test  ## every test (those that need root say so when they are skipped)
	@$(MAKE) --no-print-directory all $(BUILD)/unit-tests
	+@$(if $(FUZZ_BUILD),$(FUZZ_MAKE) fuzz-targets)
	@BUILD=$(BUILD) FUZZ_BUILD=$(FUZZ_BUILD) tests/run $(PURE_MODULES)

unit: setup-test  ## the tests that need no root
	@$(MAKE) --no-print-directory $(BUILD)/unit-tests
	@$(BUILD)/unit-tests --gtest_brief=1

lab: setup-test  ## the tests on network namespaces (root)
	@$(MAKE) --no-print-directory all
	@RAWVS_BIN=$(BUILD) tests/lab/run

# VLAN, bond, macvlan, PPP, WireGuard, GRE and ipip: many machines' kernels lack some of them.
lab-kernel: setup-record  ## the lab tests of kinds of interfaces, on a Debian kernel under QEMU that has all of them
	@$(MAKE) --no-print-directory all
	@MEM=2048 TIMEOUT=2400 tests/conformance/oracle/boot env RAWVS_BIN=$(abspath $(BUILD)) bash -c \
	  'modprobe -a 8021q bonding macvlan ppp_async wireguard ip_gre ipip tun; tests/lab/run -j1 bare_links: interfaces:'

conformance: setup-test  ## rawvsd against what the kernel's IPVS did (root)
	@$(MAKE) --no-print-directory all
	@RAWVS_BIN=$(BUILD) tests/conformance/run check

conformance-sync: setup-record  ## the sync protocol between rawvsd and the kernel's IPVS, under QEMU: connections move
	@$(MAKE) --no-print-directory all
	@TIMEOUT=900 tests/conformance/oracle/boot env RAWVS_BIN=$(abspath $(BUILD)) tests/conformance/kernel_sync.py

conformance-record: setup-record  ## record the kernel's IPVS again: a Debian kernel under QEMU plays every scenario (an hour)
	@tests/conformance/record
	@tests/rawvsadm/record

# Not vptr, which needs the run-time type information that the programs are built without.
asan:  ## every test, with the address and undefined behaviour sanitizers
	@$(MAKE) --no-print-directory test BUILD=build-asan FUZZ_BUILD= OPTIMIZE="-O1 -g" WERROR=-Werror \
	  SANITIZE="-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all"

# FUZZ_BUILD= (nothing): make test without fuzzing. FUZZ_CXX="ccache clang++" is quicker the second time.
FUZZ_BUILD ?= build-fuzz
FUZZ_CXX   ?= clang++
FUZZ_MAKE   = $(MAKE) --no-print-directory BUILD=$(FUZZ_BUILD) CXX="$(FUZZ_CXX)" OPTIMIZE="-O2 -g1" LTO=no RELR=no \
  SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all"
# FUZZ_SECONDS=N: for all targets together. FUZZ_TARGET=NAME: one of them.
fuzz: setup-fuzz  ## libFuzzer on every door, with clang: frames, sockets, files, answers (two minutes; FUZZ_SECONDS=N)
	+@$(FUZZ_MAKE) fuzz-targets
	@FUZZ_BUILD=$(FUZZ_BUILD) tests/fuzz/run $(FUZZ_TARGET)
fuzz-targets: $(FUZZ_TARGETS)

# QUICK=1: three minutes instead of twenty. IO=ring,xdp: each of these back ends. ROUNDS=N. BENCH_REALTIME=1: for a
# shared machine.
bench: setup-bench  ## rawvsd compared with other forwarders: rates, latency, memory, plots (root; QUICK=1: three minutes)
	@$(MAKE) --no-print-directory all $(BUILD)/bench $(BUILD)/bench-load $(BUILD)/bench-bare $(BUILD)/bench-expiry \
	  $(BUILD)/bench-state
	@$(BUILD)/bench
	@RAWVS_BIN=$(BUILD) BENCH_RESULTS=$(BUILD)/bench-results QUICK=$(QUICK) IO=$(IO) tools/bench/run
	@test -n "$(QUICK)" || RAWVS_BIN=$(BUILD) tools/bench-listing
	@RAWVS_BIN=$(BUILD) tools/bench-small
	@RAWVS_BIN=$(BUILD) tools/bench-tables
	@RAWVS_BIN=$(BUILD) tools/bench-flood
	@RAWVS_BIN=$(BUILD) tools/bench-checks
	@test $(WEB) != yes || RAWVS_BIN=$(BUILD) tools/bench-web
	@$(BUILD)/bench-expiry
	@$(BUILD)/bench-state

bench-ipvs: setup-record  ## rawvsd compared with the kernel's IPVS in one boot of a Debian kernel under QEMU: a ratio
	@$(MAKE) --no-print-directory all $(BUILD)/bench-load
	@TIMEOUT=1200 tests/conformance/oracle/boot env RAWVS_BIN=$(abspath $(BUILD)) ROUNDS=$(or $(ROUNDS),3) tools/bench/ipvs

$(addprefix $(BUILD)/bench-,load bare expiry state): $(BUILD)/bench-%: $(BUILD)/obj/tools/bench_%.o $(BUILD)/modules.a
	$(call SHOW,LD   $@)$(CXX) $(CXXFLAGS) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(LIBS_PURE) $(LIBS_SYS)

$(BUILD)/bench: $(BUILD)/obj/tools/bench.o $(PURE_OBJ)
	$(call SHOW,LD   $@)$(CXX) $(CXXFLAGS) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(LIBS_PURE)

format:  ## format every C++ file
	clang-format -i $(CXX_FILES)

lint: setup-lint  ## clang-format, clang-tidy, cppcheck, shellcheck, checkbashisms: no finding left
	+@BUILD=$(BUILD) tools/lint

# MODE:FROM:TO. Files that an operator edits, SETTINGS, are neither overwritten nor removed once they differ.
INSTALLED   = 755:$(BUILD)/rawvsd:$(sbindir)/rawvsd 755:$(BUILD)/rawvs-helper:$(sbindir)/rawvs-helper \
              755:$(BUILD)/rawvsadm:$(sbindir)/rawvsadm \
              755:$(BUILD)/rawvs-replay:$(bindir)/rawvs-replay \
              $(if $(filter yes,$(WEB)),755:$(BUILD)/rawvs-web:$(sbindir)/rawvs-web 755:init/rawvs-web:$(sysconfdir)/init.d/rawvs-web) \
              755:init/rawvs:$(sysconfdir)/init.d/rawvs 755:init/rawvs-realserver:$(sysconfdir)/init.d/rawvs-realserver \
              $(foreach part,$(wildcard init/*.sh),644:$(part):$(datadir)/rawvs/$(notdir $(part))) \
              644:etc/rawvs.ini:$(docdir)/examples/rawvs.ini \
              $(foreach file,$(wildcard etc/examples/*.ini etc/examples/ecmp/*.ini etc/examples/ecmp/*.conf), \
                644:$(file):$(docdir)/$(file:etc/%=%)) \
              755:etc/examples/notify-mail:$(docdir)/examples/notify-mail \
              $(foreach file,$(wildcard etc/examples/monitoring/*),644:$(file):$(docdir)/$(file:etc/%=%)) \
              755:etc/examples/ecmp/rawvs-announce:$(docdir)/examples/ecmp/rawvs-announce \
              644:etc/bash-completion/rawvsadm:$(completiondir)/rawvsadm 644:etc/bash-completion/rawvsd:$(completiondir)/rawvsd \
              $(foreach page,$(filter-out $(if $(filter yes,$(WEB)),,%/rawvs-web.8),$(wildcard etc/man/*)),644:$(page):$(mandir)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))
SETTINGS    = 644:init/default/rawvs:$(sysconfdir)/default/rawvs \
              644:init/default/rawvs-realserver:$(sysconfdir)/default/rawvs-realserver \
              $(if $(filter yes,$(WEB)),644:init/default/rawvs-web:$(sysconfdir)/default/rawvs-web)
AS_IPVSADM  = ipvsadm ipvsadm-save ipvsadm-restore
each        = for file in $(1); do mode=$${file%%:*} to="$(DESTDIR)$${file\#\#*:}"; from=$${file\#*:}; from=$${from%:*}; $(2) || exit; done

install: all  ## into $(DESTDIR)$(prefix); starts nothing
	@$(call each,$(INSTALLED),install -D -m $$mode $$from "$$to")
	@$(call each,$(SETTINGS),if ! test -e "$$to"; then install -D -m $$mode $$from "$$to"; \
	  elif ! cmp -s $$from "$$to"; then echo "kept: $$to: it differs from $$from"; fi)
	@test -n "$(DESTDIR)" || test -e $(sysconfdir)/rawvs.ini || \
	  echo "next: write $(sysconfdir)/rawvs.ini; $(docdir)/examples/rawvs.ini shows how"

install-ipvsadm:  ## install ipvsadm, ipvsadm-save, ipvsadm-restore as names of rawvsadm, with init script, for LVS's own tools
	@script="$(DESTDIR)$(sysconfdir)/init.d/ipvsadm"; for file in $(AS_IPVSADM:%="$(DESTDIR)$(sbindir)/%") "$$script"; do \
	  test "$$(readlink "$$file")" = rawvsadm || grep -qsw rawvs "$$file" && continue; \
	  if test -e "$$file" || test -L "$$file"; then echo "install-ipvsadm: $$file is there already: remove it first" >&2; exit 1; fi; \
	done; \
	mkdir -p "$(DESTDIR)$(sbindir)" && for name in $(AS_IPVSADM); do ln -sf rawvsadm "$(DESTDIR)$(sbindir)/$$name" || exit; done; \
	install -D -m 755 init/ipvsadm "$$script"

uninstall:  ## remove what install and install-ipvsadm installed, except changed settings
	@for name in $(AS_IPVSADM); do \
	  link="$(DESTDIR)$(sbindir)/$$name"; test "$$(readlink "$$link")" != rawvsadm || rm "$$link" || exit; \
	done
	@script="$(DESTDIR)$(sysconfdir)/init.d/ipvsadm"; ! grep -qsw rawvs "$$script" || rm "$$script"
	@$(call each,$(INSTALLED),rm -f "$$to")
	@$(call each,$(SETTINGS),if cmp -s $$from "$$to"; then rm "$$to"; \
	  elif test -e "$$to"; then echo "kept: $$to: it differs from $$from"; fi)
	@for folder in $(docdir)/examples/ecmp $(docdir)/examples/monitoring $(docdir)/examples $(docdir) $(datadir)/rawvs; do \
	  if test -d "$(DESTDIR)$$folder"; then rmdir "$(DESTDIR)$$folder" 2>/dev/null || echo "kept: $(DESTDIR)$$folder: not empty"; fi; \
	done

deb: setup-deb  ## Debian packages; they start nothing until configured (build/deb/)
	@$(MAKE) --no-print-directory all
	@umask 022 && rm -rf $(BUILD)/deb && mkdir -p $(BUILD)/deb && cp -R etc/debian $(BUILD)/deb/debian
	@umask 022 && top=$$PWD build=$$(cd $(BUILD) && pwd) && cd $(BUILD)/deb && \
	  $(MAKE) --no-print-directory -f debian/rules binary TOP="$$top" BUILD="$$build" DESTINATION=. >log 2>&1 || \
	  { tail -n 20 log >&2; echo "make deb: failed; all of it: $(BUILD)/deb/log" >&2; exit 1; }
	@ls $(BUILD)/deb/*.deb

clean:  ## remove what was built
	rm -rf $(BUILD) build-asan build-fuzz

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-26s%s\n", $$1, $$2 }'

.PHONY: all FORCE alone tidy setup-build setup-demo setup-test setup-bench setup-fuzz setup-lint setup-record setup-deb demo test unit lab lab-kernel conformance conformance-sync conformance-record asan fuzz fuzz-targets bench bench-ipvs format lint install install-ipvsadm uninstall deb clean help
.DELETE_ON_ERROR:
