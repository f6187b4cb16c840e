# SPDX-License-Identifier: BSD-2-Clause
# Plain GNU make. `make help` lists the targets; CXX, CXXFLAGS, PKG_CONFIG, DESTDIR and prefix work as everywhere.

CXX        ?= g++
PKG_CONFIG ?= pkg-config
DESTDIR    ?=
prefix     ?= /usr/local
sbindir    ?= $(prefix)/sbin
mandir     ?= $(prefix)/share/man
sysconfdir ?= /etc

BUILD      ?= build
SANITIZE   ?=
OPTIMIZE   ?= -O2 -g
# -Werror in our own checks (asan, lint): a newer compiler's new warning must not stop who only wants the programs.
WERROR     ?=

WARNINGS   := -Wall -Wextra -Wshadow -Wconversion -Wpedantic -Wnon-virtual-dtor $(WERROR)
CXXFLAGS   ?= $(OPTIMIZE)
STD        := -std=c++20
# The program itself neither throws nor asks for types at run time; the tests need gtest's exceptions.
LEAN       := -fno-exceptions -fno-rtti -ffunction-sections -fdata-sections -fstack-protector-strong
# One short line per step; make V=1 shows the commands.
V          ?= 0
SHOW        = $(if $(filter 0,$(V)),@echo "  $(1)" && )
COMPILE     = $(call SHOW,CXX  $<)$(CXX) $(STD) $(WARNINGS) $(CPPFLAGS) $(CXXFLAGS) $(SANITIZE) -Iinclude -MMD -MP -c

PURE_SRC   := $(wildcard src/wire/*.cpp src/core/*.cpp src/side/*.cpp src/admin/*.cpp src/director*.cpp)
SYS_SRC    := $(wildcard src/sys/*.cpp)
ADM_SRC    := $(wildcard tools/rawvsadm/*.cpp)
REPLAY_SRC := $(wildcard tools/rawvs-replay/*.cpp)
TEST_SRC   := $(wildcard tests/*.cpp)

obj         = $(patsubst %.cpp,$(BUILD)/obj/%.o,$(1))
PURE_OBJ   := $(call obj,$(PURE_SRC))
SYS_OBJ    := $(call obj,$(SYS_SRC))

# What pkg-config says; where it does not know a library (before set-up, or libnet, which has no .pc file) its plain name.
flags       = $(or $(shell $(PKG_CONFIG) $(1) 2>/dev/null),$(2))
override CPPFLAGS := $(CPPFLAGS) $(call flags,--cflags libpcap libmnl inih popt)
LIB_PCAP   := $(call flags,--libs libpcap,-lpcap)
LIBS_PURE  := -lnet $(call flags,--libs inih,-linih)
LIBS_SYS   := $(LIB_PCAP) $(call flags,--libs libmnl,-lmnl)
LIBS_ADM   := $(call flags,--libs popt,-lpopt)
# Routers have no libstdc++: it is linked in. Sanitizers want the shared one.
LINK_LEAN  := $(if $(SANITIZE),,-static-libstdc++ -static-libgcc -Wl,--gc-sections -Wl,--as-needed)

PROGRAMS   := $(BUILD)/rawvsd $(BUILD)/rawvsadm $(BUILD)/rawvs-replay

all: $(PROGRAMS)  ## build the three programs (build/)

$(BUILD)/rawvsd: $(call obj,src/main.cpp) $(PURE_OBJ) $(SYS_OBJ)
	$(call SHOW,LD   $@)$(CXX) $(CXXFLAGS) $(SANITIZE) $(LDFLAGS) $(LINK_LEAN) -o $@ $^ $(LIBS_PURE) $(LIBS_SYS)

$(BUILD)/rawvsadm: $(call obj,$(ADM_SRC)) $(BUILD)/obj/src/wire/addr.o
	$(call SHOW,LD   $@)$(CXX) $(CXXFLAGS) $(SANITIZE) $(LDFLAGS) $(LINK_LEAN) -o $@ $^ $(LIBS_ADM)

$(BUILD)/rawvs-replay: $(call obj,$(REPLAY_SRC)) $(PURE_OBJ)
	$(call SHOW,LD   $@)$(CXX) $(CXXFLAGS) $(SANITIZE) $(LDFLAGS) $(LINK_LEAN) -o $@ $^ $(LIBS_PURE) $(LIB_PCAP)

# Everything the unit tests exercise is linked as it is in the programs.
$(BUILD)/unit-tests: $(call obj,$(TEST_SRC)) $(PURE_OBJ) $(SYS_OBJ) $(filter-out %/main.o,$(call obj,$(ADM_SRC) $(REPLAY_SRC)))
	$(call SHOW,LD   $@)$(CXX) $(CXXFLAGS) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(LIBS_PURE) $(LIBS_SYS) $(LIBS_ADM) -lgtest -lgtest_main -lpthread

$(BUILD)/obj/tests/%.o: tests/%.cpp
	@mkdir -p $(@D)
	$(COMPILE) -Itests -I. -o $@ $<

$(BUILD)/obj/%.o: %.cpp
	@mkdir -p $(@D)
	$(COMPILE) $(LEAN) -o $@ $<

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

PURE_ROOMS := $(PURE_OBJ)
SCRIPTS    := tools/setup tools/check-layers tests/run .ci/run
CXX_FILES  := $(wildcard src/*.cpp src/*/*.cpp src/*/*.h include/rawvs/*.h tools/*/*.cpp tools/*/*.h tools/*.cpp tests/*.cpp tests/*.h tests/*/*.h)

setup-build:
	@tools/setup build
setup-test:
	@tools/setup test
setup-lint:
	@tools/setup lint
setup-record:
	@tools/setup record

# Each of these does all set-up by itself, and builds with what set-up installed: hence make within make.
demo: setup-test  ## the main job on real packets: network namespaces, two servers, 100 requests (root)
	@$(MAKE) --no-print-directory all
	@RAWVS_BIN=$(BUILD) tools/demo

test: setup-test  ## every test (those that need root say so when they are skipped)
	@$(MAKE) --no-print-directory all $(BUILD)/unit-tests
	@BUILD=$(BUILD) tests/run $(PURE_ROOMS)

unit: setup-test  ## the tests that need no root
	@$(MAKE) --no-print-directory $(BUILD)/unit-tests
	@$(BUILD)/unit-tests --gtest_brief=1

lab: setup-test  ## the tests on network namespaces (root)
	@$(MAKE) --no-print-directory all
	@RAWVS_BIN=$(BUILD) tests/lab/run

conformance: setup-test  ## rawvsd against what the kernel's IPVS did (root)
	@$(MAKE) --no-print-directory all
	@RAWVS_BIN=$(BUILD) tests/conformance/run check

conformance-record: setup-record  ## ask the kernel's IPVS anew: a Debian kernel under QEMU plays every scenario (an hour)
	@tests/conformance/record

asan:  ## every test, with the address and undefined behaviour sanitizers
	@$(MAKE) --no-print-directory test BUILD=build-asan OPTIMIZE="-O1 -g" WERROR=-Werror \
	  SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all"

bench: setup-build  ## what a packet costs inside the director, as ratios of one run
	@$(MAKE) --no-print-directory $(BUILD)/bench
	@$(BUILD)/bench

$(BUILD)/bench: $(call obj,tools/bench.cpp) $(PURE_OBJ)
	$(call SHOW,LD   $@)$(CXX) $(CXXFLAGS) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(LIBS_PURE)

format:  ## put every C++ file into the house's form
	clang-format -i $(CXX_FILES)

lint: setup-lint  ## clang-format, clang-tidy, cppcheck, shellcheck, checkbashisms: no finding left
	@tools/lint

install: all  ## into $(DESTDIR)$(prefix)
	install -d $(DESTDIR)$(sbindir) $(DESTDIR)$(sysconfdir)/init.d $(DESTDIR)$(sysconfdir)/default
	install -m 755 $(PROGRAMS) $(DESTDIR)$(sbindir)
	install -m 755 init/rawvs init/rawvs-realserver $(DESTDIR)$(sysconfdir)/init.d
	@# What an operator has changed is not overwritten.
	for file in rawvs.ini default/rawvs default/rawvs-realserver; do \
	  from=$$(test "$$file" = rawvs.ini && echo etc/rawvs.ini || echo init/$$file); \
	  test -e $(DESTDIR)$(sysconfdir)/$$file || install -m 644 $$from $(DESTDIR)$(sysconfdir)/$$file; \
	done

clean:  ## remove what was built
	rm -rf $(BUILD) build-asan

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-16s%s\n", $$1, $$2 }'

.PHONY: all setup-build setup-test setup-lint setup-record demo test unit lab conformance conformance-record asan bench format lint install clean help
.DELETE_ON_ERROR:
