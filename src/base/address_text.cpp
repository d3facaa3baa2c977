// Addresses as text: what include/salut/address.hpp and base/mac.hpp declare.
//
// Strict: digits only, no leading zeros (inet_aton reads 010 as eight), no blanks. An error quotes
// the value and says what would be right.
#include "salut/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <optional>

#include "base/mac.hpp"
#include "base/text.hpp"

namespace salut {
namespace {

constexpr const char* want_address = "want a.b.c.d, each 0..255, or x::y";

auto invalid(std::string_view text, const std::string& rest) {
  return fail(Errc::invalid_argument, quoted(text, 60) + ' ' + rest);
}

// All of `text` as a number of at most `most`, without sign or, in decimal, leading zeros.
template <int base = 10>
std::optional<std::uint32_t> number(std::string_view text, std::uint32_t most) {
  if (base == 10 && text.size() > 1 && text[0] == '0') return std::nullopt;
  std::uint32_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc{} || stop != end || value > most) return std::nullopt;
  return value;
}

// inet_pton() is as strict as we want it: four decimal octets without leading zeros, or a form of
// RFC 4291 §2.2, and no byte before or after.
std::optional<IpAddress> any_address(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated = {};
  if (text.size() >= terminated.size() || text.find('\0') != text.npos) return std::nullopt;
  text.copy(terminated.data(), text.size());
  IpAddress::Bytes bytes = IpAddress{}.bytes();  // 0.0.0.0, mapped
  const bool v6 = text.find(':') != text.npos;
  if (inet_pton(v6 ? AF_INET6 : AF_INET, terminated.data(), v6 ? &bytes[0] : &bytes[12]) != 1) {
    return std::nullopt;
  }
  return IpAddress::from_bytes(bytes);
}

}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const auto address = any_address(text);
  if (!address) {
    return invalid(text, std::string("is not an IP address (") + want_address + ")");
  }
  return *address;
}

// The form of RFC 5952. inet_ntop() follows it with one exception, the old "IPv4-compatible"
// addresses: it writes ::0.1.0.2 for ::1:2.
std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text = {};
  const void* from = is_v4() ? &bytes_[12] : &bytes_[0];
  inet_ntop(is_v4() ? AF_INET : AF_INET6, from, text.data(), text.size());
  const std::string_view written = text.data();
  if (is_v4() || written.find('.') == written.npos) return std::string(written);
  char* end = std::copy_n("::", 2, text.data());
  end = std::to_chars(end, text.end(), low() >> 16, 16).ptr;
  *end++ = ':';
  end = std::to_chars(end, text.end(), low() & 0xffff, 16).ptr;
  return {text.data(), end};
}

// "a.b.c.d:port" or "[x::y]:port". Without brackets the last group of IPv6 looks like a port.
Result<Endpoint> Endpoint::parse(std::string_view text) {
  constexpr const char* want = "(want a.b.c.d:port or [x::y]:port, port 1..65535)";
  const bool bracketed = text.starts_with('[');
  const std::size_t close = bracketed ? text.find(']') : 0;
  if (close == std::string_view::npos) return invalid(text, std::string("has no ] ") + want);
  if (!bracketed && text.find(':') != text.rfind(':')) {
    return invalid(text, "has no brackets round its IPv6 address (want [x::y]:port)");
  }
  const std::size_t colon = text.find(':', close);
  if (colon == std::string_view::npos) return invalid(text, std::string("has no port ") + want);
  const std::string_view inner = bracketed ? text.substr(1, close - 1) : text.substr(0, colon);
  const auto address = any_address(inner);
  if (!address || (bracketed && (colon != close + 1 || inner.find(':') == inner.npos))) {
    return invalid(text, std::string("does not begin with an IP address ") + want);
  }
  const auto port = number(text.substr(colon + 1), 65535);
  if (!port || *port == 0) return invalid(text, "does not end in a port (want 1..65535)");
  return Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

std::string Endpoint::to_string() const {
  const std::string text = address.to_string();
  return (address.is_v4() ? text : '[' + text + ']') + ':' + std::to_string(port);
}

Result<Prefix> Prefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = any_address(text.substr(0, slash));
  if (!address) {
    return invalid(text, "is not an IP prefix (want a.b.c.d/length or x::y/length)");
  }
  const std::uint32_t longest = address->is_v4() ? 32 : 128;
  if (slash == std::string_view::npos) {
    return Prefix{*address, static_cast<std::uint8_t>(longest)};
  }
  const auto length = number(text.substr(slash + 1), longest);
  if (!length) {
    return invalid(text, "has no good prefix length (want /0../" + std::to_string(longest) + ")");
  }
  return Prefix{*address, static_cast<std::uint8_t>(*length)};
}

std::string Prefix::to_string() const { return address.to_string() + '/' + std::to_string(length); }

namespace {

// A prefix may leave at most 31 bits to the host, because AddressRange::count has 32 bits.
constexpr unsigned range_bits_max = 31;

Result<AddressRange> range_of_prefix(std::string_view text) {
  const auto prefix = Prefix::parse(text);
  if (!prefix) return tl::unexpected<Error>(prefix.error());
  const unsigned bits = 128 - prefix->length_128();
  if (bits > range_bits_max) {
    return invalid(text, prefix->address.is_v4()
                             ? "is every address there is (want /1../32)"
                             : "has more addresses than can be counted (want /97../128)");
  }
  if (prefix->first() != prefix->address) {
    return invalid(text, "does not begin where its prefix does (want " +
                             prefix->first().to_string() + "/" + std::to_string(prefix->length) +
                             ")");
  }
  return AddressRange{prefix->address, std::uint32_t{1} << bits};
}

Result<AddressRange> range_of_pair(std::string_view text, std::size_t dash) {
  const auto first = any_address(text.substr(0, dash));
  const auto last = any_address(text.substr(dash + 1));
  if (!first || !last || first->is_v4() != last->is_v4()) {
    return invalid(text, "is not a range of IP addresses (want first-last, both a.b.c.d or x::y)");
  }
  if (*last < *first) return invalid(text, "ends before it begins (want first-last)");
  const std::uint64_t more = last->low() - first->low();
  if (last->high() != first->high() || more >= 0xffffffff) {
    return invalid(text, first->is_v4()
                             ? "is every address there is"
                             : "has more addresses than can be counted (at most 2^32-1)");
  }
  return AddressRange{*first, static_cast<std::uint32_t>(more + 1)};
}

}  // namespace

Result<AddressRange> AddressRange::parse(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash != std::string_view::npos) return range_of_pair(text, dash);
  return range_of_prefix(text);
}

std::string AddressRange::to_string() const {
  if (count == 1) return first.to_string();
  const int bits = std::countr_zero(count);
  const auto family_bits = static_cast<std::uint8_t>(first.is_v4() ? 32 : 128);
  const Prefix whole{first, static_cast<std::uint8_t>(family_bits - bits)};
  if (std::has_single_bit(count) && whole.first() == first) return whole.to_string();
  return first.to_string() + '-' + last().to_string();
}

Result<Mac> Mac::parse(std::string_view text) {
  Mac mac;
  bool good = text.size() == 17;
  for (std::size_t i = 0; good && i < 6; ++i) {
    const auto byte = number<16>(text.substr(3 * i, 2), 255);
    good = byte && (i == 5 || text[3 * i + 2] == ':');
    mac.bytes[i] = static_cast<std::uint8_t>(byte.value_or(0));
  }
  if (!good) return invalid(text, "is not a MAC address (want six bytes, 02:00:00:00:00:01)");
  return mac;
}

std::string Mac::to_string() const {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t byte : bytes) {
    if (!out.empty()) out += ':';
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

}  // namespace salut
