// A stack whose connections do what lines on standard input say, and that says what happened to
// them: the end of a connection that is ours, for tests against a kernel at the other.
//
//   puppet CONFIG            a configuration with one worker; standard input's end stops it
//
//   NAME connect ADDR:PORT   open; NAME stands for the connection from here on
//   NAME accept PORT         the next connection that comes to PORT; listens there if nobody does
//   NAME send FILE           write it, as fast as it is taken; then `NAME sent BYTES`
//   NAME receive FILE        read into it from now on (until then nothing is read); at the peer's
//                            FIN `NAME end BYTES`
//   NAME shutdown | close | abort
//   NAME state               `NAME state ESTABLISHED`, or `gone`
//   - sockets                `- sockets LISTEN 1  TIME_WAIT 2`: of the whole stack, now
//   - entered                the same: how often each state was entered
//
// At the end: `- left LISTEN 1`, the sockets, and `- impaired in|out DROPPED DUPLICATED REORDERED
// CORRUPTED` of a port that is.
//
// Beside the answers: `- ready`, `NAME connected`, `NAME accepted`, `NAME peer_closed`, `NAME
// closed REASON`, and `NAME failed WORDS` where a call said no.
#include <array>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <salut/salut.hpp>

namespace {

using salut::Event;

// Lines from the thread that reads to the one that works.
class Mailbox {
 public:
  void put(std::string line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
  }
  std::vector<std::string> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(lines_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

void say(const std::string& name, const std::string& words) {
  std::cout << name << ' ' << words << std::endl;
}

struct Line {
  std::string name;
  salut::Connection connection;
  std::ifstream input;
  std::vector<char> pending;  // of input, read and not yet taken
  std::size_t taken = 0;
  std::uint64_t sent = 0;
  bool sending = false;
  std::ofstream output;
  std::uint64_t received = 0;
  bool receiving = false;
  bool peer_closed = false;
};

class Puppet {
 public:
  Puppet(salut::Stack& stack, Mailbox& mailbox) : stack_(stack), mailbox_(mailbox) {}

  void run() {
    say("-", "ready");
    while (!stack_.stopping()) turn();
    for (auto& [name, line] : lines_) line->connection.abort();
    turn();  // sends the resets
    turn();
    say("-", "left " + states(stack_.counters().states));
  }

 private:
  void turn() {
    for (const Event& event : stack_.poll()) on_event(event);
    for (const std::string& line : mailbox_.take()) on_command(line);
  }

  Line* of(const Event& event) {
    if (!event.has(Event::accepted)) {
      return event.user == 0 ? nullptr : by_user_.at(event.user - 1).get();
    }
    const auto awaited = awaited_.find(event.listener);
    if (awaited == awaited_.end()) {
      event.connection.abort();
      return nullptr;
    }
    Line* line = add(awaited->second);
    awaited_.erase(awaited);
    line->connection = event.connection;
    event.connection.set_user(by_user_.size());
    return line;
  }

  void on_event(const Event& event) {
    Line* line = of(event);
    if (line == nullptr) return;
    if (event.has(Event::accepted)) say(line->name, "accepted");
    if (event.has(Event::connected)) say(line->name, "connected");
    line->peer_closed = line->peer_closed || event.has(Event::peer_closed);
    if (event.has(Event::readable | Event::peer_closed)) receive(*line);
    if (event.has(Event::peer_closed)) say(line->name, "peer_closed");
    if (event.has(Event::writable)) send(*line);
    if (event.has(Event::closed)) {
      say(line->name, "closed " + std::string(name(event.reason)));
      lines_.erase(line->name);
    }
  }

  void on_command(const std::string& text) {
    std::istringstream words(text);
    std::string name;
    std::string verb;
    std::string object;
    words >> name >> verb;
    std::getline(words >> std::ws, object);
    if (verb == "sockets") return say("-", "sockets " + states(stack_.counters().states));
    if (verb == "entered") return say("-", "entered " + states(stack_.counters().states_entered));
    if (verb == "connect") return connect(name, object);
    if (verb == "accept") return accept(name, object);
    const auto found = lines_.find(name);
    if (found == lines_.end()) return say(name, verb == "state" ? "state gone" : "failed gone");
    Line& line = *found->second;
    if (verb == "send") {
      line.input.open(object, std::ios::binary);
      line.sending = true;
      send(line);
    } else if (verb == "receive") {
      line.output.open(object, std::ios::binary);
      line.receiving = true;
      receive(line);
    } else if (verb == "shutdown") {
      done(line, line.connection.shutdown());
    } else if (verb == "close") {
      done(line, line.connection.close());
    } else if (verb == "abort") {
      done(line, line.connection.abort());
    } else if (verb == "state") {
      const auto info = line.connection.info();
      say(name, "state " + std::string(info ? salut::name(info->state) : "gone"));
    } else {
      say(name, "failed no such verb: " + verb);
    }
  }

  static void done(const Line& line, salut::Errc code) {
    if (code != salut::Errc::ok) say(line.name, "failed " + std::string(describe(code)));
  }

  static std::string states(const std::array<std::uint64_t, salut::state_count>& counts) {
    std::string text;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] == 0) continue;
      text += (text.empty() ? "" : "  ") + std::string(salut::state_names[i]) + ' ' +
              std::to_string(counts[i]);
    }
    return text.empty() ? "none" : text;
  }

  Line* add(const std::string& name) {
    by_user_.push_back(std::make_shared<Line>());
    by_user_.back()->name = name;
    lines_[name] = by_user_.back();
    return by_user_.back().get();
  }

  void connect(const std::string& name, const std::string& where) {
    const auto remote = salut::Endpoint::parse(where);
    if (!remote) return say(name, "failed " + remote.error().message);
    Line* line = add(name);
    salut::ConnectOptions how;
    how.user = by_user_.size();
    const auto connection = stack_.connect(*remote, how);
    if (connection) {
      line->connection = *connection;
    } else {
      say(name, "failed " + std::string(describe(connection.error())));
    }
  }

  void accept(const std::string& name, const std::string& where) {
    const auto port = static_cast<std::uint16_t>(std::stoul(where));
    if (!listeners_.contains(port)) {
      const auto listener = stack_.listen({salut::IpAddress::any_v6(), port});
      if (!listener) return say(name, "failed " + listener.error().message);
      listeners_[port] = listener->index;
    }
    awaited_[listeners_[port]] = name;
  }

  static void send(Line& line) {
    while (line.sending) {
      if (line.taken == line.pending.size()) {
        line.pending.resize(1 << 16);
        line.input.read(line.pending.data(), static_cast<std::streamsize>(line.pending.size()));
        line.pending.resize(static_cast<std::size_t>(line.input.gcount()));
        line.taken = 0;
        if (line.pending.empty()) {
          line.sending = false;
          return say(line.name, "sent " + std::to_string(line.sent));
        }
      }
      const auto rest = std::as_bytes(std::span(line.pending)).subspan(line.taken);
      const auto count = line.connection.write(rest);
      if (!count) return;  // `closed` says why
      line.taken += *count;
      line.sent += *count;
      if (*count < rest.size()) return;  // `writable` follows
    }
  }

  void receive(Line& line) {
    while (line.receiving) {
      const auto count = line.connection.read(std::as_writable_bytes(std::span(bytes_)));
      if (!count) {
        line.receiving = false;
        // Where nothing was left to read, the handle is gone with the peer's FIN.
        if (count.error() != salut::Errc::end_of_stream && !line.peer_closed) return;
        line.output.close();
        return say(line.name, "end " + std::to_string(line.received));
      }
      if (*count == 0) return;
      line.output.write(bytes_.data(), static_cast<std::streamsize>(*count));
      line.received += *count;
    }
  }

  salut::Stack& stack_;
  Mailbox& mailbox_;
  std::map<std::string, std::shared_ptr<Line>> lines_;
  std::vector<std::shared_ptr<Line>> by_user_;        // Event::user - 1
  std::map<std::uint16_t, std::uint16_t> listeners_;  // by port
  std::map<std::uint16_t, std::string> awaited_;      // by listener
  std::array<char, 1 << 16> bytes_ = {};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::cerr << "puppet CONFIG\n", 2;
  auto runtime = salut::Runtime::open(argv[1]);
  if (!runtime) return std::cerr << runtime.error().message << '\n', 2;
  Mailbox mailbox;
  runtime->start([&](salut::Stack& stack) {
    const auto puppet = std::make_unique<Puppet>(stack, mailbox);
    puppet->run();
  });
  for (std::string line; std::getline(std::cin, line);) mailbox.put(line);
  runtime->stop();
  runtime->wait();
  for (const salut::PortImpaired& port : runtime->impaired()) {
    for (const auto& [way, n] : {std::pair("in", port.in), std::pair("out", port.out)}) {
      std::cout << "- impaired " << way << ' ' << n.dropped << ' ' << n.duplicated << ' '
                << n.reordered << ' ' << n.corrupted << std::endl;
    }
  }
}
