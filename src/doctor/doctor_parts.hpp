// The checks of the doctor, file by file. Each appends its findings.
#pragma once

#include <string>
#include <vector>

#include "doctor/doctor.hpp"
#include "host/sysfs.hpp"
#include "io/vdev.hpp"
#include "salut/config.hpp"
#include "worker/memory_plan.hpp"

namespace salut::doctor {

struct Examination {
  const Config& config;  // config.cores is filled in
  const Sysfs& sysfs;
  const std::vector<std::uint32_t>& allowed;
  std::vector<Finding>& findings;

  void green(std::string check, std::string found) {
    findings.push_back({Health::green, std::move(check), std::move(found), {}});
  }
  void yellow(std::string check, std::string found, std::string mend) {
    findings.push_back({Health::yellow, std::move(check), std::move(found), std::move(mend)});
  }
  void red(std::string check, std::string found, std::string mend) {
    findings.push_back({Health::red, std::move(check), std::move(found), std::move(mend)});
  }
  // Appends `good` in green, or the error in red. Returns whether it is green.
  template <typename T>
  bool judge(std::string check, const Result<T>& result, std::string good) {
    if (result) {
      green(std::move(check), std::move(good));
    } else {
      findings.push_back(refusal(std::move(check), result.error()));
    }
    return result.has_value();
  }
};

// cpu.cpp
void examine_cpu(Examination& e);
void examine_clock(Examination& e);
void examine_cores(Examination& e);  // sharing, isolation, tick, governor

// memory.cpp
void examine_hugepages(Examination& e, const MemoryPlan& plan);
void examine_memory(Examination& e, const MemoryPlan& plan);

// pci.cpp
void examine_iommu(Examination& e);
// RLIMIT_MEMLOCK, for a device that pins memory.
void examine_locked(Examination& e, const PortConfig& port, const MemoryPlan& plan);
void examine_pci(Examination& e, const PortConfig& port, const MemoryPlan& plan);

// ports.cpp
void examine_port(Examination& e, const PortConfig& port, const MemoryPlan& plan);
void examine_queues(Examination& e, const PortConfig& port, std::size_t queues, bool rss);

// sockets.cpp
void examine_socket(Examination& e, const io::Vdev& vdev, const std::string& check,
                    const std::string& permissions, const std::string& key);

// "port lan, driver"
std::string of_port(const PortConfig& port, std::string_view check);

// Capabilities, with the numbers of linux/capability.h.
inline constexpr unsigned cap_net_admin = 12;
inline constexpr unsigned cap_net_raw = 13;
inline constexpr unsigned cap_ipc_lock = 14;
inline constexpr unsigned cap_sys_rawio = 17;
inline constexpr unsigned cap_sys_admin = 21;
inline constexpr unsigned cap_perfmon = 38;
inline constexpr unsigned cap_bpf = 39;

}  // namespace salut::doctor
