// Addresses as text: what include/salut/address.hpp and wire/headers.hpp (Mac) declare.
//
// Strict: digits only, no leading zeros (inet_aton reads 010 as eight), no blanks. A wrong value
// is answered with itself and with what would be right.
#include "salut/address.hpp"

#include <bit>
#include <optional>

#include "wire/headers.hpp"

namespace salut {
namespace {

constexpr const char* want_address = "want a.b.c.d, each 0..255";

// The value for a message of one line: short, and nothing that a terminal would act on.
std::string quoted(std::string_view text) {
  constexpr std::size_t longest = 60;
  std::string out = "\"";
  for (const char c : text.substr(0, longest)) out += c >= ' ' && c <= '~' ? c : '?';
  if (text.size() > longest) out += "...";
  return out + '"';
}

auto invalid(std::string_view text, const std::string& rest) {
  return fail(Errc::invalid_argument, quoted(text) + ' ' + rest);
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

// Two colons, or brackets as around the address of an endpoint, are in nothing else that we take.
bool is_ipv6(std::string_view text) {
  return text.starts_with('[') || text.find(':') != text.rfind(':');
}

auto no_ipv6(std::string_view text) {
  return fail(Errc::unsupported,
              quoted(text) + " is IPv6, which is not built yet (want IPv4: a.b.c.d)");
}

std::string v4_text(std::uint32_t value) {
  return std::to_string(value >> 24) + '.' + std::to_string(value >> 16 & 255) + '.' +
         std::to_string(value >> 8 & 255) + '.' + std::to_string(value & 255);
}

}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  if (is_ipv6(text)) return no_ipv6(text);
  const auto value = dotted(text);
  if (!value) return invalid(text, std::string("is not an IPv4 address (") + want_address + ")");
  return IpAddress::v4(*value);
}

std::string IpAddress::to_string() const { return v4_text(v4()); }

Result<Endpoint> Endpoint::parse(std::string_view text) {
  if (is_ipv6(text)) return no_ipv6(text);
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    return invalid(text, "has no port (want a.b.c.d:port, port 1..65535)");
  }
  const auto address = dotted(text.substr(0, colon));
  if (!address) {
    return invalid(text, "does not begin with an IPv4 address (want a.b.c.d:port, each 0..255)");
  }
  const auto port = number(text.substr(colon + 1), 65535);
  if (!port || *port == 0) return invalid(text, "does not end in a port (want 1..65535)");
  return Endpoint{IpAddress::v4(*address), static_cast<std::uint16_t>(*port)};
}

std::string Endpoint::to_string() const { return address.to_string() + ':' + std::to_string(port); }

Result<Prefix> Prefix::parse(std::string_view text) {
  if (is_ipv6(text)) return no_ipv6(text);
  const std::size_t slash = text.find('/');
  const auto address = dotted(text.substr(0, slash));
  if (!address) {
    return invalid(text, "is not an IPv4 prefix (want a.b.c.d/length, each of the four 0..255)");
  }
  if (slash == std::string_view::npos) return Prefix{IpAddress::v4(*address), 32};
  const auto length = number(text.substr(slash + 1), 32);
  if (!length) return invalid(text, "has no good prefix length (want /0../32)");
  return Prefix{IpAddress::v4(*address), static_cast<std::uint8_t>(*length)};
}

std::string Prefix::to_string() const { return address.to_string() + '/' + std::to_string(length); }

namespace {

Result<AddressRange> range_of_prefix(std::string_view text) {
  const auto prefix = Prefix::parse(text);
  if (!prefix) return tl::unexpected<Error>(prefix.error());
  if (prefix->length == 0) return invalid(text, "is every address there is (want /1../32)");
  const std::uint32_t first = prefix->address.v4() & prefix->mask_v4();
  if (first != prefix->address.v4()) {
    return invalid(text, "does not begin where its prefix does (want " + v4_text(first) + "/" +
                             std::to_string(prefix->length) + ")");
  }
  return AddressRange{prefix->address, std::uint32_t{1} << (32 - prefix->length)};
}

Result<AddressRange> range_of_pair(std::string_view text, std::size_t dash) {
  const auto first = dotted(text.substr(0, dash));
  const auto last = dotted(text.substr(dash + 1));
  if (!first || !last) {
    return invalid(
        text, std::string("is not a range of IPv4 addresses (want first-last, both ") + "a.b.c.d)");
  }
  if (*last < *first) return invalid(text, "ends before it begins (want first-last)");
  if (*last - *first == ~std::uint32_t{0}) return invalid(text, "is every address there is");
  return AddressRange{IpAddress::v4(*first), *last - *first + 1};
}

}  // namespace

Result<AddressRange> AddressRange::parse(std::string_view text) {
  if (is_ipv6(text)) return no_ipv6(text);
  const std::size_t dash = text.find('-');
  if (dash != std::string_view::npos) return range_of_pair(text, dash);
  return range_of_prefix(text);
}

std::string AddressRange::to_string() const {
  if (count == 1) return first.to_string();
  if (std::has_single_bit(count) && (first.v4() & (count - 1)) == 0) {
    return first.to_string() + '/' + std::to_string(32 - std::countr_zero(count));
  }
  return first.to_string() + '-' + v4_text(first.v4() + (count - 1));
}

namespace wire {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

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

}  // namespace wire
}  // namespace salut
