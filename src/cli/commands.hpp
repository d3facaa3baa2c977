// The subcommands. Each returns the exit status: 0 if it ran, 1 if no connection could be opened, 2
// if an argument, the configuration or the machine was not as it must be (one line says what).
#pragma once

#include <span>

#include "cli/options.hpp"

namespace salut::cli {

inline constexpr int exit_ok = 0;
inline constexpr int exit_nothing = 1;
inline constexpr int exit_refused = 2;

int run_serve(const ServeOptions& options);
int run_bench(const load::BenchOptions& options);
int run_drain(const DrainOptions& options);
int run_states(const StatesOptions& options);
int run_merge(const MergeOptions& options);
// 0: the configuration can start; 1: it cannot.
int run_doctor(const DoctorOptions& options);

// Prints "salut: message" on standard error.
int refuse(const Error& error);
// The same for each that failed; exit_ok if none did.
int refuse_failed(std::span<const Result<void>> results);

}  // namespace salut::cli
