// Every wrong line of [[port]] and [[route]], and the one line that answers it.
#include "texts.hpp"

#include <vector>

namespace salut::test {
namespace {

INSTANTIATE_TEST_SUITE_P(
    Devices, WrongValue,
    testing::Values(
        Wrong{"[[port]]\nname = \"w\"\ntype = \"wifi\"\n" + address,
              "port[0].type = \"wifi\": unknown type; want \"loop\", \"mirror\", \"tap\", \"vdev\" "
              "or "
              "\"pci\""},
        Wrong{"[[port]]\nname = \"w\"\ntype = \"tap\"\n" + address,
              "port[0].interface: missing; want the kernel's name for it, \"salut0\""},
        Wrong{
            "[[port]]\nname = \"w\"\ntype = \"tap\"\ninterface = \"sixteen-letters-\"\n" + address,
            "port[0].interface = \"sixteen-letters-\": not a name for an interface; want at most "
            "15 letters, digits, - and _"},
        Wrong{"[[port]]\nname = \"w\"\ntype = \"tap\"\ninterface = \"a/b\"\n" + address,
              "port[0].interface = \"a/b\": not a name for an interface; want at most 15 letters, "
              "digits, - and _"},
        Wrong{
            tap_port("peer = \"wire\"\n" + address),
            "port[0].peer = \"wire\": not for a port of type \"tap\"; want type = \"loop\", or no "
            "such key"},
        Wrong{
            "[[port]]\nname = \"w\"\ntype = \"vdev\"\nvdev = \"net_tap0,iface=x\"\n" + address,
            "port[0].vdev = \"net_tap0,iface=x\": a TAP has a type of its own; want type = \"tap\" "
            "and interface = \"NAME\""},
        Wrong{"[[port]]\nname = \"w\"\ntype = \"vdev\"\nvdev = \"virtio\"\n" + address,
              "port[0].vdev = \"virtio\": not a network vdev; want one such as "
              "\"net_virtio_user0,path=/tmp/s,queues=1\""},
        Wrong{"[[port]]\nname = \"w\"\ntype = \"pci\"\npci = \"03:00.0\"\n" + address,
              "port[0].pci = \"03:00.0\": not a PCI address; want one such as \"0000:03:00.0\""},
        Wrong{tap_port(address) + "[[port]]\nname = \"b\"\ntype = \"tap\"\ninterface = \"salut0\"\n"
                                  "addresses = [\"10.0.1.1/24\"]\n",
              "port[1].interface = \"salut0\": port[0] has it; want a device of its own"}));

std::string pair_with(const std::string& type_of_b, const std::string& peer_of_b) {
  return "[[port]]\nname = \"a\"\npeer = \"b\"\n" + address + "[[port]]\nname = \"b\"\ntype = \"" +
         type_of_b + "\"\n" + peer_of_b + "addresses = [\"10.0.0.2/24\"]\n";
}

INSTANTIATE_TEST_SUITE_P(
    Peers, WrongValue,
    testing::Values(
        Wrong{"[[port]]\nname = \"w\"\n" + address,
              "port[0].peer: missing; want the name of the port at the other end"},
        Wrong{"[[port]]\nname = \"w\"\npeer = \"nobody\"\n" + address,
              "port[0].peer = \"nobody\": no port has this name; want \"w\""},
        Wrong{pair_with("loop", "peer = \"b\"\n"),
              "port[0].peer = \"b\": that port has peer = \"b\"; want peer = \"a\" there"},
        Wrong{pair_with("tap", "interface = \"s\"\n"),
              "port[0].peer = \"b\": a port of type \"tap\"; want one of type \"loop\""}));

INSTANTIATE_TEST_SUITE_P(
    Addresses, WrongValue,
    testing::Values(
        Wrong{
            tap_port(""),
            "port[0].addresses: missing; want at least one, [\"10.0.0.1/24\"] or [\"fd00::1/64\"]"},
        Wrong{
            tap_port("addresses = []\n"),
            "port[0].addresses: missing; want at least one, [\"10.0.0.1/24\"] or [\"fd00::1/64\"]"},
        Wrong{tap_port("addresses = \"10.0.0.1\"\n"),
              "port[0].addresses = \"10.0.0.1\": wrong type; want a list, [\"10.0.0.1/24\"]"},
        Wrong{tap_port("addresses = [1]\n"),
              "port[0].addresses[0] = 1: wrong type; want \"10.0.0.1/24\""},
        Wrong{tap_port("addresses = [\"10.0.0.300/24\"]\n"),
              "port[0].addresses[0] = \"10.0.0.300/24\": not understood; want \"10.0.0.1/24\""},
        Wrong{tap_port("addresses = [\"fd00::1/129\"]\n"),
              "port[0].addresses[0] = \"fd00::1/129\": not understood; want \"10.0.0.1/24\""},
        Wrong{tap_port("addresses = [\"ff02::1/64\"]\n"),
              "port[0].addresses[0] = \"ff02::1/64\": not an address of a host; want a unicast "
              "address, \"10.0.0.1/24\" or \"fd00::1/64\""},
        Wrong{tap_port("addresses = [\"::1/128\"]\n"),
              "port[0].addresses[0] = \"::1/128\": not an address of a host; want a unicast "
              "address, \"10.0.0.1/24\" or \"fd00::1/64\""},
        Wrong{tap_port(address6 + "mtu = 1279\n"),
              "port[0].mtu = 1279: too small for IPv6; want 1280..9000"},
        Wrong{tap_port(address6 + "gateway = \"fd00::fe\"\n"),
              "port[0].gateway = \"fd00::fe\": of the other family; want an IPv4 address; gateway6 "
              "is that of IPv6"},
        Wrong{tap_port(address6 + "gateway6 = \"fd01::fe\"\n"),
              "port[0].gateway6 = \"fd01::fe\": on no link of this port; want an address in "
              "fd00::1/64"},
        Wrong{tap_port(address + "gateway6 = \"fd01::fe\"\n"),
              "port[0].gateway6 = \"fd01::fe\": on no link of this port; want an IPv6 address for "
              "the port first"},
        Wrong{tap_port(address + "vlan = 4095\n"),
              "port[0].vlan = 4095: out of range; want 0..4094"},
        Wrong{tap_port("addresses = [\"10.0.0.1/24\", \"224.0.0.1/24\"]\n"),
              "port[0].addresses[1] = \"224.0.0.1/24\": not an address of a host; want a "
              "unicast address, \"10.0.0.1/24\" or \"fd00::1/64\""},
        Wrong{tap_port(address + "ranges = [\"127.0.0.0/8\"]\n"),
              "port[0].ranges[0] = \"127.0.0.0/8\": not addresses of hosts; want "
              "unicast addresses, \"10.1.0.0/16\" or \"fd00:1::/112\""},
        Wrong{tap_port(address + "ranges = [\"10.1\"]\n"),
              "port[0].ranges[0] = \"10.1\": not understood; want \"10.1.0.0/16\""},
        Wrong{tap_port(address + "gateway = \"10.0.9.1\"\n"),
              "port[0].gateway = \"10.0.9.1\": on no link of this port; want an address in "
              "10.0.0.1/24"},
        Wrong{tap_port(address + "gateway = \"router\"\n"),
              "port[0].gateway = \"router\": not understood; want an IPv4 address, \"10.0.0.1\""},
        Wrong{tap_port(address + "mac = \"02-00-00-00-00-01\"\n"),
              "port[0].mac = \"02-00-00-00-00-01\": not a MAC address; want one such as "
              "\"02:00:00:00:00:01\""},
        Wrong{tap_port(address + "mac = \"01:00:00:00:00:01\"\n"),
              "port[0].mac = \"01:00:00:00:00:01\": not the address of one station; want a unicast "
              "address such as \"02:00:00:00:00:01\""},
        Wrong{tap_port(address + "mtu = 100\n"), "port[0].mtu = 100: out of range; want 576..9000"},
        Wrong{tap_port(address + "worker = 1\n"),
              "port[0].worker = 1: no such worker; workers.count is 1; want 0..0"},
        Wrong{tap_port(address + "ranges = [\"10.1.0.0/16\", \"10.1.2.0/24\"]\n"),
              "port[0].ranges[1] = \"10.1.2.0/24\": overlaps ranges[0] = \"10.1.0.0/16\"; want "
              "each address once"},
        Wrong{tap_port("addresses = [\"10.0.0.1/24\", \"10.0.0.1/16\"]\n"),
              "port[0].addresses[1] = \"10.0.0.1/16\": overlaps addresses[0] = \"10.0.0.1/24\"; "
              "want each address once"},
        Wrong{tap_port(address + "workers = [0, 1]\n"),
              "port[0].workers[1] = 1: no such worker; workers.count is 1; want 0..0"},
        Wrong{tap_port(address + "workers = []\n"),
              "port[0].workers = [...]: nobody; want a list, [0, 1], or no such key for all"},
        Wrong{tap_port(address + "worker = 0\nworkers = [0]\n"),
              "port[0].workers = [...]: beside worker; want one of the two"},
        Wrong{tap_port(address + "workers = [0, 0]\n"),
              "port[0].workers[1] = 0: twice in the list; want each worker once"},
        Wrong{tap_port(address + "queues = 65\n"), "port[0].queues = 65: out of range; want 0..64"},
        Wrong{tap_port(address + "rss = 1\n"), "port[0].rss = 1: wrong type; want true or false"},
        Wrong{tap_port("addresses = [\"10.0.0.1/24\"]\n") +
                  "[[port]]\nname = \"b\"\ntype = \"tap\"\ninterface = \"salut1\"\n"
                  "addresses = [\"10.9.0.1/24\"]\nranges = [\"10.0.0.0/30\"]\n",
              "port[1].ranges[0] = \"10.0.0.0/30\": overlaps port[0].addresses[0] = "
              "\"10.0.0.1/24\" on the same worker; want addresses of its own"}));

// Stations that would be in two places at once.
const std::string neighbour_17 =
    "[[neighbour]]\naddress = \"10.0.0.17\"\nmac = \"02:00:00:00:00:09\"\nport = \"wire\"\n";

INSTANTIATE_TEST_SUITE_P(
    Links, WrongValue,
    testing::Values(
        Wrong{tap_port(address + "gateway = \"10.0.0.1\"\n"),
              "port[0].gateway = \"10.0.0.1\": this port's own address; want that of another "
              "station"},
        Wrong{tap_port(address6 + "gateway6 = \"fd00::1\"\n"),
              "port[0].gateway6 = \"fd00::1\": this port's own address; want that of another "
              "station"},
        Wrong{"[[port]]\nname = \"wire\"\ntype = \"vdev\"\nvdev = \"net_af_packet0,iface=v0\"\n" +
                  address + "gateway = \"10.0.0.1\"\n",
              "port[0].gateway = \"10.0.0.1\": this port's own address; want that of another "
              "station"},
        Wrong{tap_port(address + "gateway = \"10.0.0.255\"\n"),
              "port[0].gateway = \"10.0.0.255\": the broadcast address of its link; want the "
              "address of a station"},
        Wrong{
            tap_port("addresses = [\"10.0.0.255/24\"]\n"),
            "port[0].addresses[0] = \"10.0.0.255/24\": the broadcast address of its link; want the "
            "address of a station"},
        Wrong{
            tap_port("addresses = [\"10.0.0.1/24\", \"10.0.0.255/32\"]\n"),
            "port[0].addresses[1] = \"10.0.0.255/32\": the broadcast address of its link; want the "
            "address of a station"},
        Wrong{tap_port("addresses = [\"10.0.0.2/0\"]\n"),
              "port[0].addresses[0] = \"10.0.0.2/0\": says that every address is on its link; "
              "want \"10.0.0.2/24\""},
        Wrong{tap_port("addresses = [\"fd00::2/0\"]\n"),
              "port[0].addresses[0] = \"fd00::2/0\": says that every address is on its link; "
              "want \"fd00::2/64\""},
        Wrong{tap_port("addresses = [\"10.0.0.2/24\"]\ngateway = \"10.0.0.1\"\n"
                       "ranges = [\"10.0.0.0/28\"]\n"),
              "port[0].ranges[0] = \"10.0.0.0/28\": has the gateway 10.0.0.1 in it; want "
              "addresses that are this instance's alone"},
        Wrong{tap_port(address6 + "gateway6 = \"fd00::fe\"\nranges = [\"fd00::f0/124\"]\n"),
              "port[0].ranges[0] = \"fd00::f0/124\": has the gateway fd00::fe in it; want "
              "addresses that are this instance's alone"},
        Wrong{tap_port(address + "ranges = [\"10.0.0.16/28\"]\nsiblings = [\"10.0.0.18\"]\n"),
              "port[0].ranges[0] = \"10.0.0.16/28\": has the sibling 10.0.0.18 in it; want "
              "addresses that are this instance's alone"},
        Wrong{tap_port(address + "ranges = [\"10.0.0.16/28\"]\n") + neighbour_17,
              "port[0].ranges[0] = \"10.0.0.16/28\": has the neighbour 10.0.0.17 in it; want "
              "addresses that are this instance's alone"},
        Wrong{tap_port(address + "ranges = [\"10.0.0.16/28\"]\n") +
                  "[[route]]\nto = \"10.2.0.0/16\"\nvia = \"10.0.0.17\"\nport = \"wire\"\n",
              "port[0].ranges[0] = \"10.0.0.16/28\": has the next hop of a route, 10.0.0.17 in "
              "it; want addresses that are this instance's alone"},
        Wrong{tap_port(address + "ranges = [\"10.0.0.128/25\"]\n"),
              "port[0].ranges[0] = \"10.0.0.128/25\": has the broadcast address 10.0.0.255 in "
              "it; want addresses that are this instance's alone"},
        Wrong{tap_port(address) +
                  "[[route]]\nto = \"10.2.0.0/16\"\nvia = \"10.0.0.1\"\nport = \"wire\"\n",
              "route[0].via = \"10.0.0.1\": this port's own address; want that of another "
              "station"},
        Wrong{tap_port("addresses = [\"10.9.0.2/32\"]\ngateway = \"224.0.0.1\"\n"),
              "port[0].gateway = \"224.0.0.1\": on no link of this port; want an address in "
              "10.9.0.2/32"}));

// As clouds give them: the gateway is on the link, whatever the prefix says.
TEST(ConfigLinks, host_address_has_its_gateway_elsewhere) {
  for (const std::string& more : {
           std::string("addresses = [\"10.9.0.2/32\"]\ngateway = \"10.0.0.1\"\n"),
           std::string("addresses = [\"fd09::2/128\"]\ngateway6 = \"fd00::1\"\n"),
           std::string("addresses = [\"fd09::2/128\"]\ngateway6 = \"fe80::1\"\n"),
       }) {
    EXPECT_EQ(complaint_about(tap_port(more)), "accepted") << more;
  }
  EXPECT_EQ(complaint_about(tap_port("addresses = [\"10.9.0.2/32\"]\ngateway = \"10.0.0.1\"\n") +
                            "[[route]]\nto = \"10.2.0.0/16\"\nvia = \"10.0.0.7\"\nport = "
                            "\"wire\"\n[[neighbour]]\naddress = \"10.0.0.1\"\nmac = "
                            "\"02:00:00:00:00:09\"\nport = \"wire\"\n"),
            "accepted");
}

// A station that turns frames round is named by a [[neighbour]] with our own address.
TEST(ConfigLinks, own_address_is_a_gateway_where_it_leads_back) {
  EXPECT_EQ(complaint_about(tap_port(address + "gateway = \"10.0.0.1\"\n") +
                            "[[neighbour]]\naddress = \"10.0.0.1\"\nmac = "
                            "\"02:00:00:00:00:09\"\nport = \"wire\"\n"),
            "accepted");
}

INSTANTIATE_TEST_SUITE_P(
    Routes, WrongValue,
    testing::Values(
        Wrong{tap_port(address) + "[[route]]\nto = \"10.2.0.0/16\"\nport = \"nowhere\"\n",
              "route[0].port = \"nowhere\": no port has this name; want \"wire\""},
        Wrong{tap_port(address) + "[[route]]\nport = \"wire\"\n",
              "route[0].to: missing; want a prefix, \"10.2.0.0/16\""},
        Wrong{tap_port(address) + "[[route]]\nto = \"10.2.0.1/16\"\nport = \"wire\"\n",
              "route[0].to = \"10.2.0.1/16\": does not begin where its prefix does; want "
              "\"10.2.0.0/16\""},
        Wrong{tap_port(address) +
                  "[[route]]\nto = \"10.2.0.0/16\"\nvia = \"10.9.0.1\"\nport = \"wire\"\n",
              "route[0].via = \"10.9.0.1\": on no link of the port; want an address in "
              "10.0.0.1/24"},
        Wrong{tap_port(address) +
                  "[[route]]\nto = \"10.2.0.0/16\"\nvia = \"fd00::9\"\nport = \"wire\"\n",
              "route[0].via = \"fd00::9\": of another family than `to`; want an address of the "
              "family of `to` on a link of the port"}));

const std::string shared = address + "ranges = [\"192.0.2.1\"]\n";

INSTANTIATE_TEST_SUITE_P(
    Siblings, WrongValue,
    testing::Values(
        Wrong{tap_port(shared + "siblings = [\"10.0.7.3\"]\n"),
              "port[0].siblings[0] = \"10.0.7.3\": on no link of this port; want an address in the "
              "prefix of one of `addresses`"},
        Wrong{tap_port(shared + "siblings = [\"10.0.0.3\", \"10.0.0.3\"]\n"),
              "port[0].siblings[0] = \"10.0.0.3\": twice; want each once"},
        Wrong{tap_port(shared + "siblings = [\"10.0.0.1\"]\n"),
              "port[0].siblings[0] = \"10.0.0.1\": an address of this instance; want those of the "
              "other instances"},
        Wrong{tap_port(address + "siblings = [\"10.0.0.3\"]\n"),
              "port[0].siblings[0] = \"10.0.0.3\": the port shares no address of its family; want "
              "the addresses that all instances have in `ranges`"},
        Wrong{tap_port(shared + "siblings = [\"ten\"]\n"),
              "port[0].siblings[0] = \"ten\": not understood; want \"10.0.0.3\""}));

INSTANTIATE_TEST_SUITE_P(
    Announce, WrongValue,
    testing::Values(
        Wrong{tap_port(address) + "[announce]\nup = \"true\"\n",
              "announce.up = \"true\": nothing takes it back; want announce.down, a command that "
              "does"},
        Wrong{
            tap_port(address) + "[announce]\ncheck = \"true\"\n",
            "announce.check = \"true\": nothing takes it back; want announce.down, a command that "
            "does"},
        Wrong{tap_port(address) + "[announce]\ntimeout_s = 0\n",
              "announce.timeout_s = 0: out of range; want 0.1..600"},
        Wrong{tap_port(address) + "[announce]\nfailures = 0\n",
              "announce.failures = 0: out of range; want 1..100"},
        Wrong{tap_port(address) + "[announce]\nupp = \"true\"\n",
              "announce.upp: unknown key; did you mean \"up\"?"}));

INSTANTIATE_TEST_SUITE_P(
    Serve, WrongValue,
    testing::Values(Wrong{tap_port(address) + "[serve]\nheader_timeout_s = -1\n",
                          "serve.header_timeout_s = -1: out of range; want 0..86400"},
                    Wrong{tap_port(address) + "[serve]\nidle_timeout_s = 86401\n",
                          "serve.idle_timeout_s = 86401: out of range; want 0..86400"},
                    Wrong{
                        tap_port(address) + "[serve]\nsend_timeout_s = \"a minute\"\n",
                        "serve.send_timeout_s = \"a minute\": wrong type; want a number 0..86400"},
                    Wrong{tap_port(address) + "[serve]\nidle_timeout = 5\n",
                          "serve.idle_timeout: unknown key; did you mean \"idle_timeout_s\"?"}));

// Ports of vdevs with these words, in order, each with an address and its members.
std::string vdevs(const std::vector<std::string>& words, const std::string& more = "") {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string n = std::to_string(i);
    text += "[[port]]\nname = \"p" + n + "\"\ntype = \"vdev\"\nvdev = \"" + words[i] +
            "\"\naddresses = [\"10.0." + n + ".1/24\"]\n" + more;
  }
  return text;
}

INSTANTIATE_TEST_SUITE_P(
    Taken, WrongValue,
    testing::Values(
        Wrong{
            vdevs({"net_vhost0,iface=/tmp/a", "net_virtio_user0,path=/tmp/a"}),
            "port[1].vdev = \"net_virtio_user0,path=/tmp/a\": port[0].vdev has the socket /tmp/a; "
            "want one of its own"},
        Wrong{vdevs({"net_memif0,role=server,id=1,socket=/tmp/a,socket-abstract=no",
                     "net_memif1,role=server,id=1,socket=/tmp/a,socket-abstract=no"}),
              "port[1].vdev = \"net_memif1,role=server,id=1,socket=/tmp/a,socket-abstract=no\": "
              "port[0].vdev has the socket /tmp/a with id 1; want one of its own"},
        Wrong{
            vdevs({"net_af_packet0,iface=v0", "net_pcap0,iface=v0"}),
            "port[1].vdev = \"net_pcap0,iface=v0\": port[0].vdev has the interface v0; want one of "
            "its own"},
        Wrong{vdevs({"net_bonding0,mode=1,slave=net_ring0"},
                    "members = [\"net_ring0\", \"net_ring0\"]\n"),
              "port[0].members[1] = \"net_ring0\": port[0].members[0] has a device of this name; "
              "want "
              "one of its own"},
        Wrong{vdevs({"net_bonding0,mode=1,slave=ring"}, "members = [\"ring\"]\n"),
              "port[0].members[0] = \"ring\": not a network vdev; want one such as "
              "\"net_virtio_user0,path=/tmp/s,queues=1\""},
        Wrong{tap_port("members = [\"net_ring0\"]\n" + address),
              "port[0].members: not for a port of type \"tap\"; want type = \"vdev\", or no such "
              "key"}));

TEST(ConfigTaken, interfaces_of_memif_with_ids_of_their_own_share_a_socket) {
  EXPECT_TRUE(parse_config(vdevs({"net_memif0,role=server,id=1,socket=/tmp/a,socket-abstract=no",
                                  "net_memif1,role=server,id=2,socket=/tmp/a,socket-abstract=no"}),
                           "echo.toml"));
}

std::string neighbour(const std::string& lines) {
  return tap_port(address) + "[[neighbour]]\n" + lines;
}

INSTANTIATE_TEST_SUITE_P(
    Neighbours, WrongValue,
    testing::Values(
        Wrong{neighbour("address = \"10.0.0.9\"\nmac = \"02:00:00:00:00:09\"\nport = \"other\"\n"),
              "neighbour[0].port = \"other\": no port has this name; want \"wire\""},
        Wrong{neighbour("address = \"10.9.0.9\"\nmac = \"02:00:00:00:00:09\"\nport = \"wire\"\n"),
              "neighbour[0].address = \"10.9.0.9\": no station on a link of the port; want an "
              "address in 10.0.0.1/24"},
        Wrong{neighbour("mac = \"02:00:00:00:00:09\"\nport = \"wire\"\n"),
              "neighbour[0].address = \"0.0.0.0\": no station on a link of the port; want an "
              "address of the family of the port's"},
        Wrong{neighbour("address = \"10.0.0.9\"\nmac = \"03:00:00:00:00:09\"\nport = \"wire\"\n"),
              "neighbour[0].mac = \"03:00:00:00:00:09\": not the address of one station; want a "
              "unicast address such as \"02:00:00:00:00:01\""},
        Wrong{neighbour("address = \"10.0.0.9\"\nport = \"wire\"\n"),
              "neighbour[0].mac = \"\": not a MAC address; want one such as "
              "\"02:00:00:00:00:01\""},
        Wrong{neighbour("address = \"10.0.0.9\"\nmac = \"02:00:00:00:00:09\"\nport = \"wire\"\n"
                        "[[neighbour]]\naddress = \"10.0.0.9\"\nmac = \"02:00:00:00:00:09\"\n"
                        "port = \"wire\"\n"),
              "neighbour[1].address = \"10.0.0.9\": neighbour[0] has it; want each once"}));

INSTANTIATE_TEST_SUITE_P(
    Impair, WrongValue,
    testing::Values(
        Wrong{tap_port(address + "impair = { drop = 1.5 }\n"),
              "port[0].impair.drop = 1.5: out of range; want 0..1"},
        Wrong{tap_port(address + "impair = { drop = -0.1 }\n"),
              "port[0].impair.drop = -0.1: out of range; want 0..1"},
        Wrong{tap_port(address + "impair = { drop = \"1%\" }\n"),
              "port[0].impair.drop = \"1%\": wrong type; want a number 0..1"},
        Wrong{tap_port(address + "impair = { lose = 0.1 }\n"),
              "port[0].impair.lose: unknown key; want seed, drop, duplicate, corrupt, reorder, "
              "reorder_by_us or delay_us"},
        Wrong{tap_port(address + "impair = { duplicates = 0.1 }\n"),
              "port[0].impair.duplicates: unknown key; did you mean \"duplicate\"?"},
        Wrong{tap_port(address + "impair = { reorder_by_us = 0 }\n"),
              "port[0].impair.reorder_by_us = 0: out of range; want 1..1000000"},
        Wrong{tap_port(address + "impair = { delay_us = 1000001 }\n"),
              "port[0].impair.delay_us = 1000001: out of range; want 0..1000000"},
        Wrong{tap_port(address + "impair = { seed = -1 }\n"),
              "port[0].impair.seed = -1: out of range; want an integer 0..9223372036854775807"},
        Wrong{tap_port(address + "impair = 0.01\n"),
              "port[0].impair = 0.01: wrong type; want a table, { KEY = VALUE, ... }"}));

}  // namespace
}  // namespace salut::test
