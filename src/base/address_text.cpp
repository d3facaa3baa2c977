// Addresses as text: what include/salut/address.hpp and base/mac.hpp declare.
//
// Strict: digits only, no leading zeros (inet_aton reads 010 as eight), no blanks. A wrong value
// is answered with itself and with what would be right.
#include "salut/address.hpp"

#include <array>
#include <bit>
#include <optional>

#include "base/mac.hpp"
#include "base/text.hpp"

namespace salut {
namespace {

constexpr const char* want_address = "want a.b.c.d, each 0..255, or x::y";

auto invalid(std::string_view text, const std::string& rest) {
  return fail(Errc::invalid_argument, quoted(text, 60) + ' ' + rest);
}

// All of `text` as a decimal number of at most `most`, without sign or leading zeros.
std::optional<std::uint32_t> number(std::string_view text, std::uint32_t most) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  std::uint32_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint32_t>(c - '0');
  }
  if (value > most) return std::nullopt;
  return value;
}

std::optional<std::uint32_t> dotted(std::string_view text) {
  std::uint32_t value = 0;
  for (int part = 0; part < 4; ++part) {
    const std::size_t end = part < 3 ? text.find('.') : text.size();
    if (end == std::string_view::npos) return std::nullopt;
    const auto octet = number(text.substr(0, end), 255);
    if (!octet) return std::nullopt;
    value = value << 8 | *octet;
    text.remove_prefix(part < 3 ? end + 1 : end);
  }
  return value;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// One to four hexadecimal digits.
std::optional<std::uint16_t> hex_group(std::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  unsigned value = 0;
  for (const char c : text) {
    const int digit = hex_digit(c);
    if (digit < 0) return std::nullopt;
    value = value << 4 | static_cast<unsigned>(digit);
  }
  return static_cast<std::uint16_t>(value);
}

using Groups = std::array<std::uint16_t, 8>;

// Groups between colons, the last two of them dotted if they like; how many, or none. Empty text
// is no group.
std::optional<unsigned> groups(std::string_view text, Groups& out) {
  unsigned count = 0;
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    const std::string_view part = text.substr(0, colon);
    const bool is_dotted = part.find('.') != std::string_view::npos;
    if (count + (is_dotted ? 2 : 1) > out.size()) return std::nullopt;
    if (is_dotted) {
      const auto value = dotted(part);
      if (!value || colon != std::string_view::npos) return std::nullopt;
      out[count++] = static_cast<std::uint16_t>(*value >> 16);
      out[count++] = static_cast<std::uint16_t>(*value);
      return count;
    }
    const auto value = hex_group(part);
    if (!value) return std::nullopt;
    out[count++] = *value;
    if (colon == std::string_view::npos) return count;
    text.remove_prefix(colon + 1);
    if (text.empty()) return std::nullopt;  // a colon at the end
  }
  return count;
}

// RFC 4291 §2.2: eight groups, or fewer round one "::".
std::optional<IpAddress> colons(std::string_view text) {
  Groups all = {};
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) {
    const auto count = groups(text, all);
    if (!count || *count != all.size()) return std::nullopt;
  } else {
    Groups tail = {};
    const std::string_view before = text.substr(0, gap);
    const auto head_count = groups(before, all);
    const auto tail_count = groups(text.substr(gap + 2), tail);
    // Dotted groups end an address; "::" stands for one group at least.
    if (before.find('.') != std::string_view::npos || !head_count || !tail_count ||
        *head_count + *tail_count >= all.size()) {
      return std::nullopt;
    }
    for (unsigned i = 0; i < *tail_count; ++i) all[all.size() - *tail_count + i] = tail[i];
  }
  IpAddress::Bytes bytes;
  for (std::size_t i = 0; i < all.size(); ++i) {
    bytes[2 * i] = static_cast<std::uint8_t>(all[i] >> 8);
    bytes[2 * i + 1] = static_cast<std::uint8_t>(all[i]);
  }
  return IpAddress::from_bytes(bytes);
}

std::optional<IpAddress> any_address(std::string_view text) {
  if (text.find(':') != std::string_view::npos) return colons(text);
  if (const auto value = dotted(text)) return IpAddress::v4(*value);
  return std::nullopt;
}

std::string v4_text(std::uint32_t value) {
  return std::to_string(value >> 24) + '.' + std::to_string(value >> 16 & 255) + '.' +
         std::to_string(value >> 8 & 255) + '.' + std::to_string(value & 255);
}

// RFC 5952: lower case, no leading zeros, "::" for the longest run of two zero groups or more, the
// first of equal ones.
std::string v6_text(const IpAddress::Bytes& bytes) {
  Groups all;
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = static_cast<std::uint16_t>(bytes[2 * i] << 8 | bytes[2 * i + 1]);
  }
  std::size_t gap = all.size();
  std::size_t gap_length = 1;
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::size_t end = i;
    while (end < all.size() && all[end] == 0) ++end;
    if (end - i > gap_length) gap = i, gap_length = end - i;
  }
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i == gap) {
      out += "::";
      i += gap_length - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    bool begun = false;
    for (int shift = 12; shift >= 0; shift -= 4) {
      const auto digit = static_cast<std::size_t>(all[i] >> shift & 15);
      begun = begun || digit != 0 || shift == 0;
      if (begun) out += digits[digit];
    }
  }
  return out;
}

}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const auto address = any_address(text);
  if (!address) {
    return invalid(text, std::string("is not an IP address (") + want_address + ")");
  }
  return *address;
}

std::string IpAddress::to_string() const { return is_v4() ? v4_text(v4()) : v6_text(bytes_); }

// "a.b.c.d:port" or "[x::y]:port": without brackets nobody could say where the port begins.
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

// How many addresses a range may have: what 32 bits count.
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
    const int high = hex_digit(text[3 * i]);
    const int low = hex_digit(text[3 * i + 1]);
    good = high >= 0 && low >= 0 && (i == 5 || text[3 * i + 2] == ':');
    mac.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
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
