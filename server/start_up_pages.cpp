#include "server/start_up_pages.hpp"

#ifdef __linux__

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>

namespace runwire {
namespace {

using Segment = ElfW(Phdr);
using Entry = ElfW(Dyn);

bool is_traced() {
  std::ifstream status("/proc/self/status");
  std::string key;
  for (int tracer = 0; status >> key;)
    if (key == "TracerPid:" && status >> tracer) return tracer != 0;
  return false;
}

// Code that was changed when it was loaded (DT_TEXTREL) is in no file as it is.
bool is_as_in_its_file(const dl_phdr_info& object) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const Segment& segment = object.dlpi_phdr[i];
    if (segment.p_type != PT_DYNAMIC) continue;
    for (const auto* entry = reinterpret_cast<const Entry*>(object.dlpi_addr + segment.p_vaddr);
         entry->d_tag != DT_NULL; ++entry) {
      const bool says_so = entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0;
      if (entry->d_tag == DT_TEXTREL || says_so) return false;
    }
  }
  return true;
}

int give_back(dl_phdr_info* object, std::size_t, void*) {
  if (!is_as_in_its_file(*object)) return 0;
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const Segment& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
    const std::uintptr_t first = begin / page * page;
    const std::uintptr_t behind = (begin + segment.p_memsz + page - 1) / page * page;
    madvise(reinterpret_cast<void*>(first), behind - first, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void give_back_start_up_pages() {
  if (!is_traced()) dl_iterate_phdr(give_back, nullptr);
}

}  // namespace runwire

#else

namespace runwire {

void give_back_start_up_pages() {}

}  // namespace runwire

#endif
