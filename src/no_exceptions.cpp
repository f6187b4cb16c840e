// SPDX-License-Identifier: BSD-2-Clause
// no_exceptions.cpp: replaces the functions by which libstdc++ throws: each ends the program with a line that says why.
//
// The program neither throws nor catches. With these replacements the library's code for throwing, unwinding and names
// of types, a tenth of the program, is not linked in. Other C++ libraries do not call them.
#include <cstdio>
#include <cstdlib>
#include <new>

#include "sys/sys.h"

namespace {

// Neither is inlined: there are hundreds of calls.
[[noreturn, gnu::noinline]] void give_up(const char* what) {
  rawvs::Log::last_words(what);
  std::fputs("rawvsd: ", stderr);
  std::fputs(what, stderr);
  std::fputs("\n", stderr);
  std::abort();
}

void* allocate(size_t size) { return std::malloc(size == 0 ? 1 : size); }

[[gnu::noinline]] void* allocate_or_end(size_t size) {
  void* const memory = allocate(size);
  if (memory == nullptr) give_up("out of memory");
  return memory;
}

}  // namespace

// NOLINTBEGIN(cert-dcl58-cpp, bugprone-reserved-identifier, readability-identifier-naming, misc-new-delete-overloads)
namespace __gnu_cxx {
void __verbose_terminate_handler() { give_up("terminated"); }
}  // namespace __gnu_cxx

namespace std {
void __throw_bad_alloc() { give_up("out of memory"); }
void __throw_bad_array_new_length() { give_up("out of memory"); }
void __throw_length_error(const char* what) { give_up(what); }
void __throw_logic_error(const char* what) { give_up(what); }
void __throw_invalid_argument(const char* what) { give_up(what); }
void __throw_out_of_range(const char* what) { give_up(what); }
void __throw_out_of_range_fmt(const char* what, ...) { give_up(what); }
void __throw_bad_function_call() { give_up("an empty function was called"); }
}  // namespace std

void* operator new(size_t size) { return allocate_or_end(size); }
void* operator new[](size_t size) { return allocate_or_end(size); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
// NOLINTEND(cert-dcl58-cpp, bugprone-reserved-identifier, readability-identifier-naming, misc-new-delete-overloads)
