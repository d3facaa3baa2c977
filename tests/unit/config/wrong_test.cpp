// Every wrong line of a configuration, ports and routes aside (wrong_port_test.cpp), and the
// one line that answers it.
#include "texts.hpp"

namespace salut::test {

TEST_P(WrongValue, is_answered_with_one_line) {
  EXPECT_EQ(complaint_about(GetParam().toml), "echo.toml: " + GetParam().line);
}

namespace {

INSTANTIATE_TEST_SUITE_P(
    Keys, WrongValue,
    testing::Values(
        Wrong{tap_port("adress = [\"10.0.0.1/24\"]\n"),
              "port[0].adress: unknown key; did you mean \"addresses\"?"},
        Wrong{"[stacks]\n" + loop_port, "stacks: unknown key; did you mean \"stack\"?"},
        Wrong{"[stack]\nmls_s = 3\n" + loop_port,
              "stack.mls_s: unknown key; did you mean \"msl_s\"?"},
        Wrong{"[workers]\nqqqqq = 3\n" + loop_port,
              "workers.qqqqq: unknown key; want count, cores or idle"},
        Wrong{"[ports]\n", "ports: unknown key; did you mean \"port\"?"},
        Wrong{"port = 3\n", "port = 3: wrong type; want a list of tables, [[port]]"},
        Wrong{"[port]\nname = \"a\"\n",
              "port = {...}: wrong type; want a list of tables, [[port]]"},
        Wrong{"port = [1]\n", "port[0] = 1: wrong type; want a list of tables, [[port]]"},
        Wrong{"stack = 1\n" + loop_port, "stack = 1: wrong type; want a table, [stack]"},
        Wrong{"name = \"a\"\n", "port: missing; want at least one [[port]]"}));

INSTANTIATE_TEST_SUITE_P(
    Numbers, WrongValue,
    testing::Values(
        Wrong{"[stack]\nmsl_s = -1\n" + loop_port,
              "stack.msl_s = -1: out of range; want 0.001..3600"},
        Wrong{"[stack]\nmsl_s = 0.0001\n" + loop_port,
              "stack.msl_s = 0.0001: out of range; want 0.001..3600"},
        Wrong{"[stack]\nmsl_s = nan\n" + loop_port,
              "stack.msl_s = nan: out of range; want 0.001..3600"},
        Wrong{"[stack]\nmsl_s = \"30 s\"\n" + loop_port,
              "stack.msl_s = \"30 s\": wrong type; want a number 0.001..3600"},
        Wrong{"[stack]\nconnections = 15\n" + loop_port,
              "stack.connections = 15: out of range; want 16..67108863"},
        Wrong{"[stack]\nconnections = \"many\"\n" + loop_port,
              "stack.connections = \"many\": wrong type; want an integer 16..67108863"},
        Wrong{"[stack]\nconnections = 1e6\n" + loop_port,
              "stack.connections = 1000000: wrong type; want an integer 16..67108863"},
        Wrong{"[stack]\ntime_wait = 1000000001\n" + loop_port,
              "stack.time_wait = 1000000001: out of range; want 16..1000000000"},
        Wrong{"[stack]\nbuffer_blocks = 1\n" + loop_port,
              "stack.buffer_blocks = 1: out of range; want 16..4294967295"},
        Wrong{"[stack]\nsend_buffer = 16777217\n" + loop_port,
              "stack.send_buffer = 16777217: out of range; want 2048..16777216"},
        Wrong{"[stack]\nrecv_buffer = 65\n" + loop_port,
              "stack.recv_buffer = 65: out of range; want 2048..1073741824"},
        Wrong{"[stack]\nrto_min_ms = 0\n" + loop_port,
              "stack.rto_min_ms = 0: out of range; want 1..60000"},
        Wrong{"[stack]\nrto_min_ms = 300\nrto_max_ms = 200\nrto_initial_ms = 100\n" + loop_port,
              "stack.rto_min_ms = 300: above rto_max_ms; want at most 200"},
        Wrong{"[stack]\nrto_min_ms = 10\nrto_max_ms = 200\n" + loop_port,
              "stack.rto_initial_ms = 1000: above rto_max_ms; want at most 200"},
        Wrong{"[stack]\nsyn_timeout_s = 3601\n" + loop_port,
              "stack.syn_timeout_s = 3601: out of range; want 1..3600"},
        Wrong{"[stack]\ncoalesce = 1\n" + loop_port,
              "stack.coalesce = 1: wrong type; want true or false"},
        Wrong{"[stack]\nno_delay = \"yes\"\n" + loop_port,
              "stack.no_delay = \"yes\": wrong type; want true or false"},
        Wrong{"[stack]\ninitial_window = 101\n" + loop_port,
              "stack.initial_window = 101: out of range; want 1..100"},
        Wrong{"[stack]\ncongestion = \"bbr\"\n" + loop_port,
              "stack.congestion = \"bbr\": unknown word; want \"cubic\" or \"newreno\""},
        Wrong{"[stack]\ncongestion = 1\n" + loop_port,
              "stack.congestion = 1: wrong type; want \"cubic\" or \"newreno\""},
        Wrong{"[stack]\nseed = -1\n" + loop_port,
              "stack.seed = -1: out of range; want an integer 0..9223372036854775807"},
        Wrong{"[stack]\nseed = 1.5\n" + loop_port,
              "stack.seed = 1.5: wrong type; want an integer 0..9223372036854775807"},
        Wrong{"[memory]\nmbufs = 1000\n" + loop_port,
              "memory.mbufs = 1000: out of range; want 1024..8388608"},
        Wrong{"[memory]\nmegabytes = -1\n" + loop_port,
              "memory.megabytes = -1: out of range; want 0..16777216"},
        Wrong{"[memory]\nhugepages = \"maybe\"\n" + loop_port,
              "memory.hugepages = \"maybe\": unknown word; want \"auto\", \"on\" or \"off\""},
        Wrong{"[memory]\nhugepages = true\n" + loop_port,
              "memory.hugepages = true: wrong type; want \"auto\", \"on\" or \"off\""}));

INSTANTIATE_TEST_SUITE_P(
    Workers, WrongValue,
    testing::Values(
        Wrong{"[workers]\ncount = 0\n" + loop_port, "workers.count = 0: out of range; want 1..64"},
        Wrong{"[workers]\nidle = \"slep\"\n" + loop_port,
              "workers.idle = \"slep\": unknown word; want \"spin\", \"yield\" or \"sleep\""},
        Wrong{"[workers]\nidle = true\n" + loop_port,
              "workers.idle = true: wrong type; want \"spin\", \"yield\" or \"sleep\""},
        Wrong{"[workers]\ncount = 65\n" + loop_port,
              "workers.count = 65: out of range; want 1..64"},
        Wrong{"[workers]\ncount = 2\n" + loop_port + "worker = 0\n",
              "workers.count = 2: worker 1 has no port; want a [[port]] with worker = 1, or fewer "
              "workers"},
        Wrong{"[workers]\ncores = [0, 0]\n" + loop_port,
              "workers.cores = [0, 0]: 2 cores for workers.count = 1; want 1, one per worker"},
        Wrong{"[workers]\ncores = 0\n" + loop_port,
              "workers.cores = 0: wrong type; want a list, [0, 1]"},
        Wrong{"[workers]\ncores = [\"0\"]\n" + loop_port,
              "workers.cores[0] = \"0\": wrong type; want an integer 0..65535"},
        Wrong{"[workers]\ncores = [-1]\n" + loop_port,
              "workers.cores[0] = -1: out of range; want an integer 0..65535"}));

INSTANTIATE_TEST_SUITE_P(
    Names, WrongValue,
    testing::Values(Wrong{"name = \"Echo 1\"\n" + loop_port,
                          "name = \"Echo 1\": not a name; want 1 to 32 of a-z, 0-9, _ and -"},
                    Wrong{"name = \"../etc\"\n" + loop_port,
                          "name = \"../etc\": not a name; want 1 to 32 of a-z, 0-9, _ and -"},
                    Wrong{"name = \"a\\nb\"\n" + loop_port,
                          "name = \"a?b\": not a name; want 1 to 32 of a-z, 0-9, _ and -"},
                    Wrong{"name = 3\n" + loop_port, "name = 3: wrong type; want a string"},
                    Wrong{"[[port]]\npeer = \"wire\"\n" + address,
                          "port[0].name: missing; want 1 to 32 of a-z, 0-9, _ and -"},
                    Wrong{
                        loop_port + loop_port,
                        "port[1].name = \"wire\": port[0] has this name; want a name of its own"}));

}  // namespace
}  // namespace salut::test
