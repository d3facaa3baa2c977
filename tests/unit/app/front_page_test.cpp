// The programs on the front pages, README.md and include/salut/stack.hpp: what is sent to them
// comes back, all of it. tests/docs/examples.py holds the texts against each other.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>

#include "sim_stack.hpp"

// README's, but for its main(), which would start the machine.
#define main echo_main
#include "../../package/echo.cpp"
#undef main

namespace salut {

class Runtime::Impl {};
Runtime::Runtime(Runtime&&) noexcept = default;
Runtime::~Runtime() = default;
Result<Runtime> Runtime::open(const std::string&, RuntimeOptions) {
  return fail(Errc::unsupported, "none");
}
void Runtime::run(const std::function<void(Stack&)>&) {}
void Runtime::stop() {}

namespace app {
namespace {

// Of the comment in stack.hpp, as it stands there.
struct FrontPage {
  template <typename Application>
  void run(Application application) {
    application(*stack);
  }
  Stack* stack;
};

void serve_front_page(Stack& on) {
  FrontPage page{&on};
  FrontPage* runtime = &page;
  // front page
  runtime->run([](salut::Stack& stack) {
    stack.listen({salut::IpAddress::any_v6(), 7});  // and IPv4
    while (!stack.stopping()) {
      for (const salut::Event& event : stack.poll()) {
        if (!event.has(salut::Event::readable | salut::Event::peer_closed)) continue;
        salut::Connection peer = event.connection;
        auto bytes = peer.peek();  // a piece of what has come, where it lies
        if (!bytes) {
          peer.close();  // end_of_stream: the peer has closed, and all of it was read
        } else if (auto taken = peer.write(*bytes)) {
          peer.consume(*taken);  // what is left unread comes with the next poll()
        }
      }
    }
  });
  // end of it
}

// Sends 2 MB and reads what comes back, a little at a time; half-closes when all is out.
class Sender {
 public:
  explicit Sender(std::uint64_t seed) : text_(random_text(seed, 2'000'000)) {}
  void open(Stack& stack) { connection_ = *stack.connect({IpAddress::v4(server_ip), 7}); }
  void on_event(const Event& event) {
    if (event.has(Event::closed)) reason = event.reason;
    if (event.has(Event::connected | Event::writable)) write();
    if (event.has(Event::readable | Event::peer_closed)) read();
  }
  bool whole() const { return received == text_; }
  std::size_t size() const { return text_.size(); }
  Connection connection() const { return connection_; }

  std::string received;
  Reason reason = Reason::none;

 private:
  void write() {
    const auto rest = std::as_bytes(std::span(text_)).subspan(sent_);
    sent_ += connection_.write(rest).value_or(0);
    if (sent_ == text_.size()) connection_.shutdown();
  }
  // Once per event.
  void read() {
    std::array<char, 4'096> bytes;
    const auto count = connection_.read(std::as_writable_bytes(std::span(bytes)));
    if (count) received.append(bytes.data(), *count);
    if (!count) connection_.close();
  }
  std::string text_;
  std::size_t sent_ = 0;
  Connection connection_;
};

void all_comes_back(void (*serve)(Stack&), const sim::Conditions& conditions) {
  StackConfig config = Pair::small_config();
  config.send_buffer = 65'536;  // much less than what is sent
  Pair pair(1, conditions, config);
  Sender sender(7);
  bool opened = false;
  pair.on_client_turn([&](Stack& stack, std::span<const Event> events) {
    if (!std::exchange(opened, true)) sender.open(stack);
    for (const Event& event : events) {
      if (event.connection == sender.connection()) sender.on_event(event);
    }
    const bool late = stack.now() > Instant{std::chrono::minutes{10}};
    pair.server().impl().stopping = sender.reason != Reason::none || late;
  });
  serve(pair.server());
  EXPECT_EQ(sender.received.size(), sender.size());
  EXPECT_TRUE(sender.whole());
  EXPECT_EQ(sender.reason, Reason::closed);
}

constexpr sim::Conditions lossy{
    .loss = 0.01, .duplicate = 0.005, .delay_max = std::chrono::milliseconds{3}};

TEST(FrontPage, readme_all_comes_back) { all_comes_back(::serve, {}); }
TEST(FrontPage, readme_all_comes_back_over_a_bad_link) { all_comes_back(::serve, lossy); }
TEST(FrontPage, stack_hpp_all_comes_back) { all_comes_back(serve_front_page, {}); }
TEST(FrontPage, stack_hpp_all_comes_back_over_a_bad_link) {
  all_comes_back(serve_front_page, lossy);
}

}  // namespace
}  // namespace app
}  // namespace salut
