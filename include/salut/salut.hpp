// Everything a user of the library needs; start reading at stack.hpp.
#pragma once

#include "salut/address.hpp"
#include "salut/config.hpp"
#include "salut/connection.hpp"
#include "salut/connection_table.hpp"
#include "salut/counters.hpp"
#include "salut/error.hpp"
#include "salut/event.hpp"
#include "salut/log.hpp"
#include "salut/runtime.hpp"
#include "salut/stack.hpp"
#include "salut/state.hpp"
#include "salut/time.hpp"
#include "salut/timer.hpp"
